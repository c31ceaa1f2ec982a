// An image on which boxes are drawn, and boxes of earlier edits are moved, with pointer, touch or arrow keys. Each
// finished box, and each finished move, is told to the app as shares of the image.
const SVG = "http://www.w3.org/2000/svg", STEP = 0.01, REST = 500;
const within = (share, most = 1) => Math.min(Math.max(share, 0), most);

export default function ({ parentElement, data, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame"), image = parentElement.querySelector("img");
  const box = parentElement.querySelector(".box"), marks = parentElement.querySelector(".marks");
  let start = null, held = null, waiting = null;
  if (image.getAttribute("src") !== data.src) image.setAttribute("src", data.src);
  image.setAttribute("alt", data.alt);
  box.hidden = true;

  const focused = frame.getRootNode().activeElement?.dataset?.place;
  frame.querySelectorAll(".number").forEach((number) => number.remove());
  marks.replaceChildren();
  const outlines = data.outlines.map((outline) => {
    const mark = marks.appendChild(document.createElementNS(SVG, "polygon"));
    const number = frame.appendChild(document.createElement("button"));
    const result = { ...outline, mark, number, by: [0, 0] };
    mark.classList.add("mark");
    number.type = "button";
    number.className = "number";
    number.textContent = outline.number;
    number.dataset.place = `${outline.edit} ${outline.box}`;
    number.setAttribute("aria-label", `Edit ${outline.number}: ${outline.words}. The arrow keys move it.`);
    number.title = outline.words;
    number.onkeydown = (event) => nudge(event, result);
    show(result);
    if (number.dataset.place === focused) number.focus({ preventScroll: true });
    return result;
  });

  function show({ corners, by, mark, number }) {
    const places = corners.map(([x, y]) => [x + by[0], y + by[1]]);
    mark.setAttribute("points", places.map((place) => place.join(",")).join(" "));
    const [left, top] = places.reduce((a, b) => (b[0] + b[1] < a[0] + a[1] ? b : a));
    Object.assign(number.style, { left: `${100 * within(left, 0.94)}%`, top: `${100 * within(top, 0.94)}%` });
  }

  function tell(outline) {
    clearTimeout(waiting);
    waiting = null;
    setTriggerValue("moved", [outline.edit, outline.box, ...outline.by]);
  }

  function nudge(event, outline) {
    const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!way) return;
    event.preventDefault();
    outline.by = [outline.by[0] + way[0], outline.by[1] + way[1]];
    show(outline);
    clearTimeout(waiting);
    waiting = setTimeout(() => tell(outline), REST);
  }

  function place(event) {
    const area = frame.getBoundingClientRect();
    return [within((event.clientX - area.left) / area.width), within((event.clientY - area.top) / area.height)];
  }

  function ends(event) {
    const now = place(event);
    return [Math.min(start[0], now[0]), Math.min(start[1], now[1]), Math.max(start[0], now[0]), Math.max(start[1], now[1])];
  }

  frame.onpointerdown = (event) => {
    if (event.button !== 0) return;
    start = place(event);
    held = event.shiftKey ? null : outlines.find(({ mark, number }) => event.target === mark || event.target === number);
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
    held?.number.focus({ preventScroll: true });
  };
  frame.onpointermove = (event) => {
    if (!start) return;
    if (held) {
      const now = place(event);
      held.by = [now[0] - start[0], now[1] - start[1]];
      show(held);
      return;
    }
    const [left, top, right, bottom] = ends(event);
    Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    box.hidden = false;
  };
  frame.onpointerup = (event) => {
    if (!start) return;
    const found = ends(event), outline = held, area = frame.getBoundingClientRect();
    start = held = null;
    const wide = (found[2] - found[0]) * area.width, high = (found[3] - found[1]) * area.height;
    if (wide < 4 && high < 4) {
      box.hidden = true;
      if (outline) {
        outline.by = [0, 0];
        show(outline);
      }
      return;
    }
    if (outline) {
      tell(outline);
      return;
    }
    const grown = [found[0], found[1], Math.max(found[2], found[0] + 1 / area.width), Math.max(found[3], found[1] + 1 / area.height)];
    setTriggerValue("boxed", grown.map((share) => Math.min(share, 1)));
  };
  frame.onpointercancel = () => {
    if (held) {
      held.by = [0, 0];
      show(held);
    }
    start = held = null;
    box.hidden = true;
  };
}
