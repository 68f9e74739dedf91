// The language in use. A further one is one more file and one more line here.

import en from "./words-en.js";
import zh from "./words-zh.js";

const LANGUAGES = { en, zh };

export const languages = Object.entries(LANGUAGES).map(([code, words]) => ({ code, name: words.language, locale: words.locale }));

/** The words of `code`, or of the first language that the browser asks for and we have. */
export function wordsOf(code) {
  const asked = [code, ...navigator.languages.map((tag) => tag.slice(0, 2)), "en"];
  const chosen = asked.find((one) => one && Object.hasOwn(LANGUAGES, one));
  return { code: chosen, words: LANGUAGES[chosen] };
}
