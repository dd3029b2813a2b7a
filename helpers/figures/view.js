// Draw the figure that the state holds: when the view appears, whenever that is, and after each change.
// Changes between two frames are drawn once, so a slow browser skips states instead of falling behind.
// For those who prefer reduced motion, a state is drawn when it has stood for a second.
// A screen reader hears a state at most every five seconds.
const STOOD = 1000, HEARD = 5000;
const HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)";

async function render({ model, el }) {
  const state = await model.widget_manager.get_model(model.get("_state").replace("IPY_MODEL_", ""));
  const chart = document.createElement("div"), status = document.createElement("p");
  el.style.position = "relative";
  el.append(chart, status);
  chart.setAttribute("role", "figure");
  status.setAttribute("aria-live", "polite");
  status.style = HIDDEN;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = null, standing = null, hearing = null;
  function draw() {
    frame = null;
    if (!chart.clientWidth) return; // not on the page; the observer asks again when it is
    const { data, layout } = JSON.parse(state.get("figure"));
    chart.setAttribute("aria-label", layout.meta?.description ?? "");
    layout.width ??= chart.clientWidth;
    Plotly.react(chart, data, layout, { displaylogo: false });
  }
  function hear() {
    hearing = null;
    status.textContent = chart.getAttribute("aria-label");
  }
  const request = () => (frame ??= requestAnimationFrame(draw));
  function changed() {
    hearing ??= setTimeout(hear, HEARD);
    if (!calm.matches) return request();
    clearTimeout(standing);
    standing = setTimeout(request, STOOD);
  }
  const observer = new ResizeObserver(request);
  observer.observe(chart);
  state.on("change:figure", changed);
  return () => {
    state.off("change:figure", changed);
    observer.disconnect();
    cancelAnimationFrame(frame);
    clearTimeout(standing);
    clearTimeout(hearing);
    Plotly.purge(chart);
  };
}
export default { render };
