// Choosing several rows: the button comes into view with the first of them, and Shift chooses all between two.

export function enhanceSelection(root) {
  const form = root.querySelector("[data-selection]");
  if (!form || form.dataset.enhanced) return;
  form.dataset.enhanced = "1";
  const boxes = [...form.elements].filter((element) => element.type === "checkbox");
  let last = null;

  function show() {
    const count = boxes.filter((box) => box.checked).length;
    form.hidden = count === 0;
    form.classList.toggle("selection--floating", count > 0);
  }

  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to)) between.checked = box.checked;
      }
      last = box;
      show();
    });
  }
  show();
}
