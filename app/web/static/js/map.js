// Zooming and moving on the map of artists; without this it is a drawing with links.
const LEAST = 0.2;

function enhance(root) {
  const map = root.querySelector("[data-map]");
  if (!map) return;
  const drawing = map.querySelector("svg.map__drawing");
  const whole = drawing.viewBox.baseVal;
  const all = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };
  let view = { ...all };

  const apply = () => drawing.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const zoom = (factor, at = { x: view.x + view.width / 2, y: view.y + view.height / 2 }) => {
    const width = Math.min(all.width, Math.max(all.width * LEAST, view.width * factor));
    const scale = width / view.width;
    view = { x: at.x - (at.x - view.x) * scale, y: at.y - (at.y - view.y) * scale, width, height: view.height * scale };
    hold();
  };
  const hold = () => {
    view.x = Math.min(Math.max(view.x, all.x), all.x + all.width - view.width);
    view.y = Math.min(Math.max(view.y, all.y), all.y + all.height - view.height);
    apply();
  };
  const pointAt = (event) => {
    const box = drawing.getBoundingClientRect();
    return {
      x: view.x + ((event.clientX - box.left) / box.width) * view.width,
      y: view.y + ((event.clientY - box.top) / box.height) * view.height,
    };
  };

  map.querySelector("[data-map-acts]").hidden = false;
  for (const button of map.querySelectorAll("[data-map-zoom]")) {
    button.addEventListener("click", () => zoom(Number(button.dataset.mapZoom)));
  }
  map.querySelector("[data-map-all]").addEventListener("click", () => {
    view = { ...all };
    apply();
  });
  // With Ctrl, as maps do: the wheel alone scrolls the page.
  drawing.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.15 : 0.87, pointAt(event));
    },
    { passive: false },
  );
  let held = null;
  drawing.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("a")) held = { x: event.clientX, y: event.clientY };
  });
  addEventListener("pointerup", () => {
    held = null;
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!held) return;
    const box = drawing.getBoundingClientRect();
    view.x -= ((event.clientX - held.x) / box.width) * view.width;
    view.y -= ((event.clientY - held.y) / box.height) * view.height;
    held = { x: event.clientX, y: event.clientY };
    hold();
  });
  // What has the focus is in view.
  drawing.addEventListener("focusin", (event) => {
    const dot = event.target.querySelector("circle");
    const x = Number(dot?.getAttribute("cx"));
    const y = Number(dot?.getAttribute("cy"));
    const isSeen = x > view.x && x < view.x + view.width && y > view.y && y < view.y + view.height;
    if (!dot || isSeen) return;
    view.x = x - view.width / 2;
    view.y = y - view.height / 2;
    hold();
  });
}

enhance(document);
document.addEventListener("segue:swapped", () => enhance(document));
