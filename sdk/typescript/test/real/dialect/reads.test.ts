import { embedding } from "./embedding.js";
import { filters } from "./filters.js";
import { LIBRARY } from "./library.js";
import { mistakes } from "./mistakes.js";
import { reads } from "./reads.js";
import { speak } from "./support.js";

speak("dialect_reads", LIBRARY, (speaker) => {
  filters(speaker);
  reads(speaker);
  embedding(speaker);
  mistakes(speaker);
});
