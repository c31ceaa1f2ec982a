// A histogram of scores, good parts above and defects below the axis, with the threshold as a line that can be dragged or moved by keys.
// While it moves, what escapes and what is rejected for nothing is counted here; the app is told when it is let go.
const NS = "http://www.w3.org/2000/svg";
const W = 1000, TOP = 26, HALF = 96, AXIS = 20, H = TOP + 2 * HALF + AXIS + 6;

function make(name, attributes, parent, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function bars(svg, counts, most, up) {
  const width = W / counts.length, base = TOP + HALF;
  counts.forEach((count, i) => {
    const height = count ? Math.max(HALF * Math.sqrt(count / most), 2) : 0;
    const bar = make("rect", { x: i * width + 0.5, y: up ? base - height : base, width: Math.max(width - 1, 0.5), height, class: up ? "good" : "defect" }, svg);
    make("title", {}, bar, `${count.toLocaleString()} ${up ? "good parts" : "defects"}`);
  });
}

export default function ({ parentElement, data, setTriggerValue }) {
  const svg = parentElement.querySelector("svg"), readout = parentElement.querySelector(".readout");
  const last = data.grid.length - 1;
  let at = data.at, timer = 0, dragging = false;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  const most = Math.max(1, ...data.good, ...data.defect);
  const [low, high] = data.band;
  if (high > low) make("rect", { x: low * W, y: TOP, width: (high - low) * W, height: 2 * HALF, class: "band" }, svg);
  bars(svg, data.good, most, true);
  bars(svg, data.defect, most, false);
  make("line", { x1: 0, x2: W, y1: TOP + HALF, y2: TOP + HALF, class: "axis" }, svg);
  for (const [place, label] of data.ticks) {
    const anchor = place < 0.02 ? "start" : place > 0.98 ? "end" : "middle";
    make("text", { x: place * W, y: H - 6, "text-anchor": anchor, class: "tick" }, svg, label);
  }
  make("text", { x: W - 4, y: TOP + 14, "text-anchor": "end", class: "side" }, svg, "good parts");
  make("text", { x: 4, y: TOP + 2 * HALF - 6, class: "side" }, svg, "defects");
  const line = make("line", { y1: TOP - 6, y2: TOP + 2 * HALF + 6, class: "threshold" }, svg);
  const grip = make("rect", { y: 2, width: 84, height: 20, rx: 6, class: "grip" }, svg);
  const said = make("text", { y: 16, "text-anchor": "middle", class: "value" }, svg);

  function show() {
    const x = (at / last) * W, exact = at === data.at ? data.threshold : data.grid[at];
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    const middle = Math.min(Math.max(x, 42), W - 42);
    grip.setAttribute("x", middle - 42);
    said.setAttribute("x", middle);
    said.textContent = exact.toFixed(4);
    readout.textContent = data.splits
      .map((s) => `${s.name}: ${s.escapes[at].toLocaleString()} of ${s.defects.toLocaleString()} defects escape, ` +
        `${s.overkill[at].toLocaleString()} of ${s.good.toLocaleString()} good parts rejected`)
      .join("  ·  ");
    svg.setAttribute("aria-valuenow", exact);
    svg.setAttribute("aria-valuetext", `threshold ${exact.toFixed(4)}. ${readout.textContent}`);
  }

  function told(wait) {
    clearTimeout(timer);
    timer = setTimeout(() => { if (at !== data.at) setTriggerValue("moved", data.grid[at]); }, wait);
  }

  function pointed(event) {
    const box = svg.getBoundingClientRect();
    at = Math.round(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * last);
    show();
  }

  svg.onpointerdown = (event) => { dragging = true; svg.setPointerCapture(event.pointerId); pointed(event); };
  svg.onpointermove = (event) => { if (dragging) pointed(event); };
  svg.onpointerup = () => { if (dragging) { dragging = false; told(0); } };
  svg.onpointercancel = () => { dragging = false; at = data.at; show(); };
  svg.onkeydown = (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -last, End: last }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    at = Math.min(Math.max(at + steps * (event.shiftKey ? 10 : 1), 0), last);
    show();
    told(350);
  };
  show();
  return () => clearTimeout(timer);
}
