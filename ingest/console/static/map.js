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
  const vehiclePin = pin("pin is-vehicle", 24, [12, 12]);
  const cameraPin = pin("pin is-camera", 24, [12, 12]);

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function open(box) {
    const map = L.map(box, { preferCanvas: true, attributionControl: false, zoomControl: false, minZoom: 3, maxZoom: 20, zoomSnap: 0.5 });
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
    const track = player(map, document.getElementById("track"));
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
        link.append(element("span", "meta", each.device ?? `${each.camera} · ${each.zone}`));
        list.append(link);
      }
      return list;
    };

    async function draw() {
      const [response, driven] = await Promise.all(
        ["/api/map", "/api/vehicles"].map((path) => fetch(path, { headers: { "X-Live": "1" } })),
      );
      if (!response.ok || !driven.ok) return;
      const { cases, cameras } = await response.json();
      const vehicles = (await driven.json()).filter((each) => each.fix?.is_positioned);
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
        if (here.some((each) => each.urgent)) marker.getElement().classList.add("is-urgent");
        if (here.length > 1) {
          marker.getElement().classList.add("pin-count");
          marker.getElement().dataset.n = here.length;
        }
      }
      for (const each of vehicles) {
        L.marker([each.fix.latitude, each.fix.longitude], { icon: vehiclePin, alt: each.name || each.id, zIndexOffset: 200 })
          .bindTooltip(element("span", "", each.name || each.id), { direction: "right", offset: [10, 0] })
          .on("click", () => track.open(each))
          .addTo(layer);
      }
      const points = [
        ...cases.map((c) => [c.latitude, c.longitude]),
        ...cameras.map((c) => c.position),
        ...vehicles.map((v) => [v.fix.latitude, v.fix.longitude]),
      ];
      empty.hidden = points.length > 0;
      if (points.length && !isPlaced) {
        isPlaced = true;
        map.fitBounds(points, { maxZoom: 17, padding: [60, 60] });
      }
    }

    draw();
    document.addEventListener("wayside:change", draw);
  }

  // A vehicle's last day: its line, and a slider that takes it back.
  function player(map, panel) {
    const line = L.layerGroup().addTo(map);
    const [slider, time, words, play] = ["input", "time", ".track-words", ".track-play"].map((each) => panel.querySelector(each));
    const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    let places = [];
    let marker = null;
    let timer = 0;

    function show(number) {
      const at = places[number];
      if (!at) return;
      slider.value = number;
      marker.setLatLng([at.latitude, at.longitude]);
      time.textContent = clock.format(new Date(at.time_ms));
      words.textContent = at.speed_km_h === null ? "" : panel.dataset.speed.replace("{n}", Math.round(at.speed_km_h));
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = panel.dataset.play;
    }
    function close() {
      stop();
      line.clearLayers();
      panel.hidden = true;
    }
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(slider.value) >= places.length - 1) show(0);
      play.textContent = panel.dataset.pause;
      const step = Math.max(1, Math.round(places.length / 200));
      timer = setInterval(() => {
        const next = Math.min(Number(slider.value) + step, places.length - 1);
        show(next);
        if (next === places.length - 1) stop();
      }, 100);
    });
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    panel.querySelector(".track-close").addEventListener("click", close);

    return {
      async open(vehicle) {
        close();
        const response = await fetch(`/api/vehicles/${encodeURIComponent(vehicle.id)}/track`, { headers: { "X-Live": "1" } });
        if (!response.ok) return;
        places = (await response.json()).filter((each) => each.is_positioned);
        panel.hidden = false;
        panel.querySelector("strong").textContent = vehicle.name || vehicle.id;
        slider.disabled = play.disabled = !places.length;
        if (!places.length) {
          time.textContent = "";
          words.textContent = panel.dataset.none;
          return;
        }
        const points = places.map((each) => [each.latitude, each.longitude]);
        const colour = getComputedStyle(document.documentElement).getPropertyValue("--do").trim();
        L.polyline(points, { color: colour, weight: 4, opacity: 0.75 }).addTo(line);
        marker = L.marker(points.at(-1), { icon: pin("pin is-vehicle is-played", 28, [14, 14]), zIndexOffset: 900 }).addTo(line);
        slider.max = places.length - 1;
        show(places.length - 1);
        map.fitBounds(points, { maxZoom: 17, paddingTopLeft: [40, 100], paddingBottomRight: [40, 160] });
      },
    };
  }

  const BULBS = { lit: "#f4b53f", warming: "#f7d896", off: "#4c565c", "not-proven": "--stands", fault: "--bad", offline: "--faint", unknown: "--faint" };

  // Lamps by the thousand, on one canvas; a tap selects.
  function lamps(box) {
    const map = open(box).setView([0, 0], 3);
    const style = getComputedStyle(document.documentElement);
    const words = JSON.parse(box.dataset.conditions);
    const colour = (name) => (name.startsWith("--") ? style.getPropertyValue(name).trim() : name);
    const shown = new Map();
    const picked = new Set();
    let isPlaced = false;

    const look = (lamp) => ({
      radius: lamp.condition === "fault" || lamp.condition === "not-proven" ? 10 : 8,
      fillColor: colour(BULBS[lamp.condition]),
      fillOpacity: 1,
      color: colour(picked.has(lamp.id) ? "--do" : "--sheet"),
      weight: picked.has(lamp.id) ? 5 : 2,
    });
    function pick(id) {
      if (!box.dataset.pick) return;
      const isPicked = !picked.delete(id);
      if (isPicked) picked.add(id);
      shown.get(id).mark.setStyle(look(shown.get(id).lamp));
      document.dispatchEvent(new CustomEvent("wayside:pick", { detail: { id, isPicked } }));
    }
    async function draw() {
      const response = await fetch(`/api/lamps/pins?${box.dataset.query}`, { headers: { "X-Live": "1" } });
      if (!response.ok) return;
      const pins = await response.json();
      for (const lamp of pins) {
        const held = shown.get(lamp.id);
        const label = () => `${shown.get(lamp.id).lamp.name || lamp.id}: ${words[shown.get(lamp.id).lamp.condition]}`;
        if (held) {
          held.lamp = lamp;
          held.mark.setLatLng(lamp.position).setStyle(look(lamp));
          continue;
        }
        const mark = L.circleMarker(lamp.position, look(lamp)).addTo(map);
        mark.bindTooltip(() => element("span", "", label()), { direction: "top", offset: [0, -8] });
        mark.on("click", () => pick(lamp.id));
        shown.set(lamp.id, { lamp, mark });
      }
      box.dataset.shown = pins.length;
      if (pins.length && !isPlaced) {
        isPlaced = true;
        map.fitBounds(pins.map((each) => each.position), { maxZoom: 18, padding: [30, 30] });
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

  for (const box of document.querySelectorAll("[data-map]")) (({ all, lamps })[box.dataset.map] ?? one)(box);
})();
