// Questions with buttons. What was chosen is in the model, so a page that is loaded again shows it. The answers are in
// the page as well: they come at once, even while the kernel is busy or gone.
function write(element, text) { // `code` between backticks
  element.replaceChildren(...text.split("`").map((part, place) =>
    place % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part));
  return element;
}

function ask(model, question, place) {
  const group = document.createElement("div"); // not the list's item, which has a role of its own
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", question.asks.replaceAll("`", ""));
  const answer = document.createElement("p");
  answer.setAttribute("role", "status"); // screen readers read it when it changes
  const buttons = ["a", "b", "c", "d"].filter(letter => letter in question).map(letter => {
    const button = write(document.createElement("button"), `${letter}: ${question[letter][0]}`);
    button.type = "button";
    button.value = letter;
    button.addEventListener("click", () => {
      model.set("choices", { ...model.get("choices"), [place]: letter });
      model.save_changes();
    });
    return button;
  });
  const options = document.createElement("div");
  options.append(...buttons);
  group.append(write(document.createElement("p"), question.asks), options, answer);
  const show = () => {
    const chosen = model.get("choices")[place];
    const right = chosen === question.right;
    for (const button of buttons) button.setAttribute("aria-pressed", button.value === chosen);
    group.dataset.answer = right ? "right" : chosen ? "wrong" : "";
    write(answer, chosen ? `${right ? "✓ Right." : "✗ Not quite."} ${question[chosen][1]}` : "");
  };
  return { group, show };
}

function render({ model, el }) {
  const list = document.createElement("ol");
  list.className = "lesson-wrap-up";
  list.addEventListener("keydown", event => {
    if (event.key === " " || event.key === "Enter") event.stopPropagation(); // JupyterLab would leave the button
  });
  const asked = model.get("questions").map((question, place) => ask(model, question, place));
  for (const each of asked) list.appendChild(document.createElement("li")).append(each.group);
  const show = () => asked.forEach(each => each.show());
  model.on("change:choices", show);
  show();
  el.append(list);
  return () => model.off("change:choices", show);
}
export default { render };
