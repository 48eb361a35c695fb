// What every page gains from scripts; all of it works without them too.
import { enhanceCopying } from "./copy.js";
import { enhancePlayer } from "./player.js";
import { enhanceForms } from "./swap.js";

enhanceForms(document);
enhanceCopying(document);
enhancePlayer(document);
document.addEventListener("segue:swapped", (event) => enhanceCopying(event.target));
