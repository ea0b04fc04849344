def render(judgement):
    return ""
