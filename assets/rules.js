// The rules for a threshold as a table with a radio button a row: arrow keys move, a click anywhere in a row chooses it.
function make(name, attributes, parent, text) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const table = parentElement.querySelector("table");
  const held = table.getRootNode().activeElement?.value;
  table.replaceChildren();
  table.setAttribute("role", "table");
  table.setAttribute("aria-label", data.label);
  const head = make("tr", { role: "row" }, make("thead", { role: "rowgroup" }, table));
  for (const name of data.columns) make("th", { role: "columnheader", scope: "col" }, head, name);
  const body = make("tbody", { role: "rowgroup" }, table);
  for (const row of data.rows) {
    const line = make("tr", { role: "row", class: row.way === data.chosen ? "chosen" : "" }, body);
    const label = make("label", {}, make("th", { role: "rowheader", scope: "row" }, line));
    const radio = make("input", { type: "radio", name: "rule", value: row.way }, label);
    radio.checked = row.way === data.chosen;
    make("span", {}, label, row.name);
    row.cells.forEach((text, i) => {
      const last = i === row.cells.length - 1 ? data.columns.length - 1 - i : 1;
      make("td", { role: "cell", "data-name": data.columns[i + 1], colspan: last }, line, text);
    });
    const choose = () => { if (row.way !== data.chosen) setTriggerValue("chosen", row.way); };
    radio.onchange = choose;
    line.onclick = (event) => { if (event.target !== radio && !label.contains(event.target)) { radio.checked = true; choose(); } };
    if (held === row.way) radio.focus();
  }
}
