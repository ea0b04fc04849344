"use strict";
// The page is whole without this: it only opens what a link leads to, and hides what a filter does.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

const filters = document.querySelector(".filters");
filters.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button === null) return;
  const pressed = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", String(!pressed));
  const wanted = [...filters.querySelectorAll('[aria-pressed="true"]')].map((b) => b.dataset.show);
  for (const line of document.querySelectorAll(".line")) {
    line.hidden = wanted.length > 0 && !wanted.some((word) => line.classList.contains(word));
  }
  for (const group of document.querySelectorAll(".lines")) {
    group.hidden = group.querySelector(".line:not([hidden])") === null;
    group.previousElementSibling.hidden = group.hidden;
  }
  for (const entry of document.querySelectorAll(".entry")) {
    entry.hidden = entry.querySelector(".line:not([hidden])") === null;
  }
});

addEventListener("beforeprint", () => {
  for (const line of document.querySelectorAll("details.line")) line.open = true;
});
const list = document.querySelector("nav details");
if (matchMedia("(max-width: 68rem)").matches) list.open = false;
