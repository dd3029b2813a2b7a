// Radio buttons: one stop for the Tab key, arrow keys to choose. They show the model's choice whenever the view appears.
function render({ model, el }) {
  const group = document.createElement("div");
  group.className = "lesson-prediction";
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", "Your prediction");
  group.addEventListener("keydown", event => {
    if (event.key === " " || event.key.startsWith("Arrow")) event.stopPropagation(); // JupyterLab would leave the cell
  });
  const name = crypto.getRandomValues(new Uint32Array(2)).join("-"); // two views of one prediction do not interfere
  for (const [letter, text] of Object.entries(model.get("options"))) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name, value: letter });
    input.addEventListener("change", () => {
      model.set("choice", letter);
      model.save_changes();
    });
    const label = document.createElement("label");
    label.append(input, `${letter}: ${text}`);
    group.append(label);
  }
  const show = () => {
    for (const input of group.querySelectorAll("input")) input.checked = input.value === model.get("choice");
  };
  model.on("change:choice", show);
  show();
  el.append(group);
  return () => model.off("change:choice", show);
}
export default { render };
