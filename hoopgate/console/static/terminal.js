"use strict";
// Plays an asciicast. Its bytes go to the player's own terminal and nowhere else.
(() => {
  const place = document.getElementById("terminal");
  const told = document.getElementById("terminal-told");
  const say = (text) => {
    told.textContent = text;
    told.hidden = false;
  };
  fetch(place.dataset.cast)
    .then((answer) => {
      if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
      return answer.text();
    })
    .then((data) => {
      AsciinemaPlayer.create({ data }, place, {
        autoPlay: false, preload: true, fit: "width", idleTimeLimit: 2, poster: "npt:0:01",
        terminalFontFamily: "ui-monospace, Menlo, Consolas, monospace",
      });
      place.dataset.ready = "yes";
    })
    .catch((error) => say(`The recording cannot be played: ${error.message}.`));
})();
