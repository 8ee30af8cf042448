/** Names of one repeated character, or of an address made of it, that cost a careless check much. */
const UNITS = ['a', '@', '.', '-', 'a.', 'a@', 'a\u0307', 'i\u0307', '\u0301', 'ش', 'а', 'ﷺ', '١', ' '];

/** @param length of each flood, in UTF-16 units */
export function floods(length: number): readonly string[] {
  return UNITS.map((unit) => unit.repeat(length / unit.length)).flatMap((flood) => [
    flood,
    `a@${flood}`,
    `${flood}@b.c`,
  ]);
}
