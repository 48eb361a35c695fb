// What every page gains from scripts; all of it works without them too.
import { enhanceClicks } from "./click.js";
import { enhanceCopying } from "./copy.js";
import { enhanceLive } from "./live.js";
import { enhanceOffline } from "./offline.js";
import { enhancePlayer } from "./player.js";
import { enhanceSelection } from "./select.js";
import { enhanceSeek } from "./suggest.js";
import { enhanceForms } from "./swap.js";
import { enhanceTurning } from "./turn.js";

function enhance(root) {
  enhanceCopying(root);
  enhanceLive(root);
  enhanceSelection(root);
}

enhanceForms(document);
enhanceClicks(document);
enhanceTurning(document);
enhancePlayer(document);
enhanceOffline(document);
enhanceSeek(document);
enhance(document);
document.addEventListener("segue:swapped", (event) => enhance(event.target));
