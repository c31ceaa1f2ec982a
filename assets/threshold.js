// A histogram of scores, good parts above and defects below the axis, with the threshold as a line that can be dragged or moved by keys.
// While it moves, what escapes and what is rejected for nothing is counted here; the app is told when it is let go.
const NS = "http://www.w3.org/2000/svg";
const TOP = 26, HALF = 96, H = TOP + 2 * HALF + 26, GRIP = 66;

function make(name, attributes, parent, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function bars(svg, counts, most, up, W, what) {
  const width = W / counts.length, base = TOP + HALF;
  counts.forEach((count, i) => {
    const height = count ? Math.max(HALF * Math.sqrt(count / most), 2) : 0;
    const bar = make("rect", { x: i * width + 0.5, y: up ? base - height : base, width: Math.max(width - 1, 0.5), height, class: up ? "good" : "defect" }, svg);
    make("title", {}, bar, `${count.toLocaleString()} ${what}`);
  });
}

function still(svg, data, W) {
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  const most = Math.max(1, ...data.good, ...data.defect);
  const [low, high] = data.band;
  if (high > low) make("rect", { x: low * W, y: TOP, width: (high - low) * W, height: 2 * HALF, class: "band" }, svg);
  bars(svg, data.good, most, true, W, data.sides[0]);
  bars(svg, data.defect, most, false, W, data.sides[1]);
  make("line", { x1: 0, x2: W, y1: TOP + HALF, y2: TOP + HALF, class: "axis" }, svg);
  for (const [place, label] of data.ticks) {
    const anchor = place < 0.02 ? "start" : place > 0.98 ? "end" : "middle";
    make("text", { x: place * W, y: H - 8, "text-anchor": anchor, class: "tick" }, svg, label);
  }
  make("text", { x: W - 4, y: TOP + 14, "text-anchor": "end", class: "side" }, svg, data.sides[0]);
  make("text", { x: 4, y: TOP + 2 * HALF - 6, class: "side" }, svg, data.sides[1]);
}

export default function ({ parentElement, data, setTriggerValue }) {
  const svg = parentElement.querySelector("svg"), readout = parentElement.querySelector(".readout");
  const last = data.grid.length - 1;
  // This outlives an answer of the app, which may come while the line is on its way to the next place.
  const hand = (svg.hand ??= { at: data.at, timer: 0, held: false });
  if (!hand.held && !hand.timer) hand.at = data.at;
  let W, line, grip, said;

  function show() {
    const x = (hand.at / last) * W, here = hand.at === data.at, exact = here ? data.threshold : data.grid[hand.at];
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    const middle = Math.min(Math.max(x, GRIP / 2), W - GRIP / 2);
    grip.setAttribute("x", middle - GRIP / 2);
    said.setAttribute("x", middle);
    said.textContent = exact.toFixed(4);
    readout.textContent = data.lines.map((l, i) => l.name + ": " + l.counts.map((c, j) =>
      `${(here ? data.here[i][j] : c.grid[hand.at]).toLocaleString()} of ${c.all.toLocaleString()} ${c.words}`).join(", ")).join("  ·  ");
    svg.setAttribute("aria-valuenow", exact);
    svg.setAttribute("aria-valuetext", `threshold ${exact.toFixed(4)}. ${readout.textContent}`);
  }

  function drawn() {
    W = Math.max(svg.clientWidth, 200);
    svg.replaceChildren();
    still(svg, data, W);
    line = make("line", { y1: TOP - 6, y2: TOP + 2 * HALF + 6, class: "threshold" }, svg);
    grip = make("rect", { y: 2, width: GRIP, height: 20, rx: 6, class: "grip" }, svg);
    said = make("text", { y: 17, "text-anchor": "middle", class: "value" }, svg);
    show();
  }

  function told(wait) {
    clearTimeout(hand.timer);
    hand.timer = setTimeout(() => { hand.timer = 0; if (hand.at !== data.at) setTriggerValue("moved", data.grid[hand.at]); }, wait);
  }

  function pointed(event) {
    const box = svg.getBoundingClientRect();
    hand.at = Math.round(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * last);
    show();
  }

  svg.onpointerdown = (event) => { if (event.button === 0) { hand.held = true; svg.setPointerCapture(event.pointerId); pointed(event); } };
  svg.onpointermove = (event) => { if (hand.held) pointed(event); };
  svg.onpointerup = () => { if (hand.held) { hand.held = false; told(0); } };
  svg.onpointercancel = () => { hand.held = false; hand.at = data.at; show(); };
  svg.onkeydown = (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -last, End: last }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    hand.at = Math.min(Math.max(hand.at + steps * (event.shiftKey ? 10 : 1), 0), last);
    show();
    told(350);
  };
  drawn();
  svg.watch?.disconnect();
  svg.watch = new ResizeObserver(() => { if (Math.max(svg.clientWidth, 200) !== W) drawn(); });
  svg.watch.observe(svg);
}
