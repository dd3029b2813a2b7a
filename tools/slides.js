// Slides: the arrow keys turn pages; a figure is drawn when its slide is near.
"use strict";
const slides = [...document.querySelectorAll("section")];
const near = new IntersectionObserver(entries => {
  for (const { target } of entries.filter(each => each.isIntersecting)) {
    near.unobserve(target);
    const { data, layout } = JSON.parse(target.firstElementChild.textContent);
    Object.assign(layout, { width: undefined, height: innerHeight * 0.7, font: { ...layout.font, size: 18 } });
    const chart = target.appendChild(document.createElement("div"));
    Plotly.newPlot(chart, data, layout, { displayModeBar: false, responsive: true });
  }
}, { rootMargin: "100%" });
document.querySelectorAll(".figure").forEach(each => near.observe(each));

const turns = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
document.addEventListener("keydown", event => {
  const by = turns[event.key];
  if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const middle = innerHeight / 2;
  const now = slides.findIndex(each => each.getBoundingClientRect().bottom > middle);
  const next = slides[now + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView();
});
