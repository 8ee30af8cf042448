/** Text of others inside our messages, which go to a terminal and to a log. */

const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const MAX_SHOWN = 100;

/** One line that moves no cursor and turns no text, however hostile the text. */
export function toOneLine(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** @param most UTF-16 units of the whole, three dots included where something is left out */
export function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 3).toWellFormed()}...` : text;
}

/** The first items of a list, and how many more there are. */
export function listSome(items: readonly string[], most: number, separator = ', '): string {
  const more = items.length - most;
  return items.slice(0, most).join(separator) + (more > 0 ? ` and ${more} more` : '');
}

/** `40,000`. Node's own formatting reads what it knows of languages, which stays in memory (8 MB). */
export function spellCount(count: number): string {
  if (count < 1_000) return String(count);
  return `${spellCount(Math.floor(count / 1_000))},${String(count % 1_000).padStart(3, '0')}`;
}

/** In quotes, cut to what fits into a sentence. */
export function quote(text: string): string {
  return toOneLine(JSON.stringify(cut(text, MAX_SHOWN)));
}
