// Maps without tiles: squared paper, the centre's own GeoJSON if it has one, pins. Texts are set as text, never as HTML.
"use strict";
(() => {
  const Squared = L.GridLayer.extend({
    createTile() {
      const tile = document.createElement("div");
      tile.className = "squared";
      return tile;
    },
  });

  const pin = (className, size, anchor) => L.divIcon({ className, iconSize: [size, size], iconAnchor: anchor });
  const casePin = pin("pin is-case", 26, [13, 31]);
  const cameraPin = pin("pin is-camera", 24, [12, 12]);

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function open(box) {
    const map = L.map(box, { attributionControl: false, zoomControl: false, minZoom: 3, maxZoom: 20, zoomSnap: 0.5 });
    L.control.zoom({ position: "topright" }).addTo(map);
    L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
    new Squared({ tileSize: 256, maxZoom: 20 }).addTo(map);
    drawBase(map);
    return map;
  }

  async function drawBase(map) {
    const response = await fetch("/api/basemap", { headers: { "X-Live": "1" } });
    if (!response.ok) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    L.geoJSON(await response.json(), {
      interactive: false,
      pointToLayer: (_feature, at) => L.circleMarker(at, { radius: 2 }),
      style: (feature) =>
        /Polygon/.test(feature.geometry.type)
          ? { stroke: true, color: colour("--line"), weight: 1, fillColor: colour("--ground"), fillOpacity: 1 }
          : { color: colour("--road"), weight: 6, opacity: 1, lineCap: "round" },
    }).addTo(map).bringToBack();
  }

  function one(box) {
    const at = [Number(box.dataset.latitude), Number(box.dataset.longitude)];
    const map = open(box).setView(at, 17);
    L.marker(at, { icon: casePin, title: box.dataset.label, alt: box.dataset.label }).addTo(map);
  }

  function all(box) {
    const map = open(box).setView([0, 0], 3);
    const layer = L.layerGroup().addTo(map);
    const kinds = JSON.parse(box.dataset.kinds);
    const empty = document.getElementById("map-empty");
    let isPlaced = false;

    const popup = (cases) => {
      const list = element("div", "popup-scroll");
      for (const each of cases) {
        const link = element("a", "popup-case");
        link.href = `/cases/${each.id}`;
        if (each.still) {
          const frame = element("span", "thumb");
          const image = element("img");
          image.src = `/api/evidence/${each.still}`;
          image.alt = "";
          frame.append(image);
          link.append(frame);
        }
        link.append(element("strong", "", `${kinds[each.kind] ?? each.kind.replaceAll("_", " ")} #${each.id}`));
        link.append(element("span", "meta", `${each.camera} · ${each.zone}`));
        list.append(link);
      }
      return list;
    };

    async function draw() {
      const response = await fetch("/api/map", { headers: { "X-Live": "1" } });
      if (!response.ok) return;
      const { cases, cameras } = await response.json();
      const places = Map.groupBy ? Map.groupBy(cases, (c) => `${c.latitude},${c.longitude}`) : group(cases);
      const isOpen = layer.getLayers().some((each) => each.isPopupOpen?.());
      if (isOpen) return; // Nobody's popup is taken away; the next change draws it.
      layer.clearLayers();
      for (const camera of cameras) {
        L.marker(camera.position, { icon: cameraPin, alt: camera.name || camera.id, keyboard: false })
          .bindTooltip(element("span", "", camera.name || camera.id), { direction: "right", offset: [10, 0] })
          .addTo(layer);
      }
      for (const here of places.values()) {
        const marker = L.marker([here[0].latitude, here[0].longitude], { icon: casePin, alt: `#${here[0].id}`, zIndexOffset: 500 })
          .bindPopup(popup(here), { offset: [0, -22], closeButton: false })
          .addTo(layer);
        if (here.length > 1) {
          marker.getElement().classList.add("pin-count");
          marker.getElement().dataset.n = here.length;
        }
      }
      const points = [...cases.map((c) => [c.latitude, c.longitude]), ...cameras.map((c) => c.position)];
      empty.hidden = points.length > 0;
      if (points.length && !isPlaced) {
        isPlaced = true;
        map.fitBounds(points, { maxZoom: 17, padding: [60, 60] });
      }
    }

    draw();
    document.addEventListener("wayside:change", draw);
  }

  function group(cases) {
    const places = new Map();
    for (const each of cases) {
      const key = `${each.latitude},${each.longitude}`;
      places.set(key, [...(places.get(key) ?? []), each]);
    }
    return places;
  }

  for (const box of document.querySelectorAll("[data-map]")) box.dataset.map === "all" ? all(box) : one(box);
})();
