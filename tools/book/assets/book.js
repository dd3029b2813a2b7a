"use strict";
// What the theme leaves out for screen readers: the sidebar is a region, and a table's empty corner is not a header.
const sidebar = document.querySelector(".bd-sidebar-primary");
sidebar.setAttribute("role", "region");
sidebar.setAttribute("aria-label", "Sidebar");
for (const head of document.querySelectorAll("th")) {
  if (!head.textContent.trim()) head.replaceWith(Object.assign(document.createElement("td"), { className: head.className }));
}

// Draw the figures of a page. plotly.js is large: only a page with figures loads it.
const PLOTLY = new URL("plotly.min.js", document.currentScript.src);
const figures = [...document.querySelectorAll(".figure")];

function draw(figure) {
  const { data, layout } = JSON.parse(figure.firstElementChild.textContent);
  delete layout.width; // as wide as the page, and on a phone as wide as the style says
  const chart = figure.appendChild(document.createElement("div"));
  Plotly.newPlot(chart, data, layout, { displayModeBar: false, responsive: true });
  if (figure.scrollWidth > figure.clientWidth) figure.tabIndex = 0; // scrolled by keyboard, too
}

if (figures.length) {
  const script = Object.assign(document.createElement("script"), { src: PLOTLY });
  script.addEventListener("load", () => figures.forEach(draw));
  document.head.append(script);
}
