// Draw the figure that the state holds: when the view appears, whenever that is, and after each change.
// Changes between two frames are drawn once, so a slow browser skips states instead of falling behind.
async function render({ model, el }) {
  const state = await model.widget_manager.get_model(model.get("_state").replace("IPY_MODEL_", ""));
  let frame = null;
  function draw() {
    frame = null;
    if (!el.clientWidth) return; // not on the page; the observer asks again when it is
    const { data, layout } = JSON.parse(state.get("figure"));
    el.setAttribute("role", "figure");
    el.setAttribute("aria-label", layout.meta?.description ?? "");
    layout.width ??= el.clientWidth;
    Plotly.react(el, data, layout, { displaylogo: false });
  }
  const request = () => (frame ??= requestAnimationFrame(draw));
  const observer = new ResizeObserver(request);
  observer.observe(el);
  state.on("change:figure", request);
  return () => {
    state.off("change:figure", request);
    observer.disconnect();
    cancelAnimationFrame(frame);
    Plotly.purge(el);
  };
}
export default { render };
