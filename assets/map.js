// Images as points in two dimensions, drawn on a canvas. A line drawn round some selects them; what lies under the pointer is told to
// the app, which answers with its name and thumbnail through an event on the document.
const SIDE = 64, REACH = 12, WAIT = 140, LINE = 3;
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const within = (value, low, high) => Math.min(Math.max(value, low), high);

function packed(flags) {
  const bits = new Uint8Array((flags.length + 7) >> 3);
  flags.forEach((flag, i) => { if (flag) bits[i >> 3] |= 128 >> (i & 7); });
  let text = "";
  bits.forEach((byte) => { text += String.fromCharCode(byte); });
  return btoa(text);
}

function unpacked(text, count) {
  const bits = bytes(text), flags = new Uint8Array(count);
  for (let i = 0; i < count; i++) flags[i] = (bits[i >> 3] >> (7 - (i & 7))) & 1;
  return flags;
}

function points(data) {
  const raw = bytes(data.xy), places = new Uint16Array(raw.buffer, 0, raw.length >> 1), count = places.length >> 1;
  const xs = new Float32Array(count), ys = new Float32Array(count), cells = new Map();
  for (let i = 0; i < count; i++) {
    xs[i] = places[2 * i] / 65535;
    ys[i] = 1 - places[2 * i + 1] / 65535;
    const cell = Math.min(Math.floor(xs[i] * SIDE), SIDE - 1) + SIDE * Math.min(Math.floor(ys[i] * SIDE), SIDE - 1);
    if (!cells.has(cell)) cells.set(cell, []);
    cells.get(cell).push(i);
  }
  return { count, xs, ys, cells };
}

export default function ({ parentElement, data, setTriggerValue }) {
  const canvas = parentElement.querySelector("canvas"), tip = parentElement.querySelector(".tip");
  const legend = parentElement.querySelector(".legend"), tools = parentElement.querySelector(".tools");
  const hand = (canvas.hand ??= { scale: 1, x: 0, y: 0, mode: "lasso", line: null, grip: null, timer: 0, at: -1 });
  const pen = canvas.getContext("2d"), still = (hand.still ??= document.createElement("canvas"));
  if (hand.xy !== data.xy) Object.assign(hand, { xy: data.xy, ...points(data), scale: 1, x: 0, y: 0 });
  const codes = bytes(data.codes), chosen = unpacked(data.chosen, hand.count), some = chosen.includes(1);
  let width, height, edge;

  const across = (x) => (x - hand.x) * hand.scale * (width - 2 * LINE) + LINE;
  const down = (y) => (y - hand.y) * hand.scale * (height - 2 * LINE) + LINE;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function layer() {
    const ratio = window.devicePixelRatio || 1;
    for (const sheet of [canvas, still]) {
      sheet.width = Math.round(width * ratio);
      sheet.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = still.getContext("2d"), size = within(edge * Math.sqrt(hand.scale), 2, 9);
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    for (const round of some ? [0, 1] : [0]) {
      ink.globalAlpha = some && !round ? 0.16 : 0.85;
      data.legend.forEach(({ colour }, code) => {
        ink.fillStyle = colour;
        for (let i = 0; i < hand.count; i++) {
          if (codes[i] === code && (!some || chosen[i] === round)) {
            ink.fillRect(across(hand.xs[i]) - size / 2, down(hand.ys[i]) - size / 2, size, size);
          }
        }
      });
    }
    show();
  }

  function show() {
    pen.clearRect(0, 0, width, height);
    pen.drawImage(still, 0, 0, width, height);
    pen.lineWidth = 2;
    pen.strokeStyle = getComputedStyle(canvas).color;
    if (hand.at >= 0) {
      pen.beginPath();
      pen.arc(across(hand.xs[hand.at]), down(hand.ys[hand.at]), 8, 0, 7);
      pen.stroke();
    }
    if (hand.line) {
      pen.beginPath();
      hand.line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.globalAlpha = 0.15;
      pen.fillStyle = pen.strokeStyle;
      pen.fill();
      pen.globalAlpha = 1;
      pen.stroke();
    }
  }

  function inside(line) {
    const flags = new Uint8Array(hand.count);
    for (let i = 0; i < hand.count; i++) {
      const x = across(hand.xs[i]), y = down(hand.ys[i]);
      let odd = 0;
      for (let a = 0, b = line.length - 1; a < line.length; b = a++) {
        const [ax, ay] = line[a], [bx, by] = line[b];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd ^= 1;
      }
      flags[i] = odd;
    }
    return flags;
  }

  function nearest([x, y]) {
    const mx = (x - LINE) / (hand.scale * (width - 2 * LINE)) + hand.x, my = (y - LINE) / (hand.scale * (height - 2 * LINE)) + hand.y;
    const rx = REACH / (hand.scale * width), ry = REACH / (hand.scale * height);
    let best = -1, least = REACH * REACH;
    for (let cy = Math.max(Math.floor((my - ry) * SIDE), 0); cy <= Math.min(Math.floor((my + ry) * SIDE), SIDE - 1); cy++) {
      for (let cx = Math.max(Math.floor((mx - rx) * SIDE), 0); cx <= Math.min(Math.floor((mx + rx) * SIDE), SIDE - 1); cx++) {
        for (const i of hand.cells.get(cx + SIDE * cy) ?? []) {
          const far = (across(hand.xs[i]) - x) ** 2 + (down(hand.ys[i]) - y) ** 2;
          if (far < least) [best, least] = [i, far];
        }
      }
    }
    return best;
  }

  function point(event) {
    const at = nearest(place(event));
    if (at === hand.at) return;
    hand.at = at;
    tip.hidden = true;
    clearTimeout(hand.timer);
    if (at >= 0) hand.timer = setTimeout(() => setTriggerValue("pointed", at), WAIT);
    show();
  }

  function zoom(by, [x, y] = [width / 2, height / 2]) {
    const before = [(x - LINE) / (hand.scale * (width - 2 * LINE)) + hand.x, (y - LINE) / (hand.scale * (height - 2 * LINE)) + hand.y];
    hand.scale = within(hand.scale * by, 1, 64);
    move(before[0] - (x - LINE) / (hand.scale * (width - 2 * LINE)), before[1] - (y - LINE) / (hand.scale * (height - 2 * LINE)));
  }

  function move(x, y) {
    const most = 1 - 1 / hand.scale;
    Object.assign(hand, { x: within(x, 0, most), y: within(y, 0, most) });
    tip.hidden = true;
    layer();
  }

  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    tip.hidden = true;
    if (hand.mode === "lasso") hand.line = [place(event)];
    else hand.grip = { from: place(event), x: hand.x, y: hand.y };
    event.preventDefault();
    canvas.focus({ preventScroll: true });
  };
  canvas.onpointermove = (event) => {
    if (hand.grip) {
      const now = place(event);
      move(hand.grip.x - (now[0] - hand.grip.from[0]) / (hand.scale * width), hand.grip.y - (now[1] - hand.grip.from[1]) / (hand.scale * height));
    } else if (hand.line) {
      const now = place(event), last = hand.line[hand.line.length - 1];
      if ((now[0] - last[0]) ** 2 + (now[1] - last[1]) ** 2 >= 9) hand.line.push(now);
      show();
    } else point(event);
  };
  canvas.onpointerup = (event) => {
    const line = hand.line;
    hand.line = hand.grip = null;
    if (line && line.length > 3) {
      const flags = inside(line);
      if (event.shiftKey) chosen.forEach((flag, i) => { flags[i] |= flag; });
      if (flags.includes(1)) setTriggerValue("lassoed", packed(flags));
      show();
    } else {
      hand.at = -1;
      point(event);
    }
  };
  canvas.onpointercancel = () => { hand.line = hand.grip = null; show(); };
  canvas.onpointerleave = () => { clearTimeout(hand.timer); tip.hidden = true; hand.at = -1; show(); };
  canvas.ondblclick = (event) => zoom(2, place(event));
  canvas.onkeydown = (event) => {
    const step = 0.1 / hand.scale;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (ways[event.key]) move(hand.x + ways[event.key][0], hand.y + ways[event.key][1]);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") zoom(1 / 64);
    else return;
    event.preventDefault();
  };

  tools.querySelectorAll("button").forEach((button) => {
    const { act } = button.dataset;
    if (act === "lasso" || act === "move") button.setAttribute("aria-pressed", String(hand.mode === act));
    button.onclick = () => {
      if (act === "in") zoom(1.6);
      else if (act === "out") zoom(1 / 1.6);
      else if (act === "all") zoom(1 / 64);
      else {
        hand.mode = act;
        tools.querySelectorAll("[aria-pressed]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      }
      canvas.style.cursor = hand.mode === "lasso" ? "crosshair" : "grab";
    };
  });

  legend.replaceChildren(...data.legend.map(({ name, colour, count }) => {
    const entry = document.createElement("span"), dot = document.createElement("i");
    dot.style.background = colour;
    entry.append(dot, `${name} (${count.toLocaleString()})`);
    return entry;
  }));
  canvas.setAttribute("aria-label", data.alt);

  canvas.told && document.removeEventListener("workbench-map", canvas.told);
  canvas.told = ({ detail }) => {
    if (detail.at !== hand.at || hand.line || !canvas.isConnected) return;
    const [image, name, words] = ["img", "b", "span"].map((tag) => document.createElement(tag));
    image.alt = "";
    if (detail.src) image.src = detail.src;
    name.textContent = detail.name;
    words.textContent = detail.words;
    tip.replaceChildren(...(detail.src ? [image] : []), name, words);
    tip.hidden = false;
    const x = across(hand.xs[hand.at]), y = down(hand.ys[hand.at]);
    Object.assign(tip.style, { left: `${within(x + 14, 0, Math.max(width - 170, 0))}px`, top: `${y > height / 2 ? Math.max(y - 14 - tip.offsetHeight, 0) : y + 14}px` });
  };
  document.addEventListener("workbench-map", canvas.told);

  function measured() {
    width = Math.max(canvas.clientWidth, 200);
    height = Math.max(canvas.clientHeight, 200);
    edge = within(Math.sqrt((width * height) / Math.max(hand.count, 1)) / 5, 2.2, 6);
    layer();
  }
  measured();
  canvas.watch?.disconnect();
  canvas.watch = new ResizeObserver(() => { if (Math.max(canvas.clientWidth, 200) !== width) measured(); });
  canvas.watch.observe(canvas);
}
