// Draws every figure from the data that stands beside it, to the width that there is.
function fitted(figure, width) {
  const layout = structuredClone(figure.layout);
  layout.autosize = true;
  // The heading above and the caption below say what a title would, and nothing is cut on a phone.
  delete layout.title;
  layout.margin = { ...layout.margin, t: 40 };
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  if (width < 560) {
    layout.font = { ...layout.font, size: 11 };
    for (const label of layout.annotations ?? []) label.font = { ...label.font, size: 11 };
  }
  // Dragging on a phone must scroll the page, not zoom into a figure.
  layout.dragmode = false;
  return layout;
}

for (const holder of document.querySelectorAll("[data-figure]")) {
  const figure = JSON.parse(document.getElementById(holder.dataset.figure).textContent);
  Plotly.newPlot(holder, figure.data, fitted(figure, holder.clientWidth), {
    responsive: true,
    displayModeBar: false,
  });
}

// A map of neurons: a click on a mark leads to the neuron's page, where it has one.
for (const holder of document.querySelectorAll("[data-pages]")) {
  const pages = JSON.parse(holder.dataset.pages);
  holder.on("plotly_click", ({ points: [{ customdata }] }) => {
    const page = pages[`${customdata?.[0]}/${customdata?.[1]}`];
    if (page) location.href = page;
  });
}

// A figure over the time of a recording: a cursor runs along while its player plays, and a click on it goes there.
for (const holder of document.querySelectorAll("[data-player]")) {
  const player = document.getElementById(holder.dataset.player);
  const cursor = holder.appendChild(document.createElement("div"));
  cursor.className = "cursor";
  cursor.hidden = true;
  const place = () => {
    const { xaxis, _size } = holder._fullLayout;
    cursor.hidden = false;
    cursor.style.left = `${xaxis._offset + xaxis.l2p(player.currentTime)}px`;
    cursor.style.top = `${_size.t}px`;
    cursor.style.height = `${_size.h}px`;
    if (!player.paused) requestAnimationFrame(place);
  };
  for (const event of ["play", "timeupdate", "seeked"]) player.addEventListener(event, place);
  holder.on("plotly_click", ({ points: [{ x }] }) => {
    if (x >= 0 && x <= player.duration) player.currentTime = x;
  });
}

// One clip at a time: starting a player stops the others.
const players = [...document.querySelectorAll("audio")];
for (const player of players)
  player.addEventListener("play", () => players.forEach((other) => other === player || other.pause()));
