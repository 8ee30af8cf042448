/** Names of applications that strangers chose, as people read them before they trust one. */

export const MAX_SHOWN_NAME = 100;

/** Breaks the line, turns it round, or is not seen, so that two names look alike and one like none. */
const UNSEEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Marks on one letter, more than a script has: they grow over the lines of the page above and below. */
const PILED_UP = /\p{M}{5}/u;

/** @param name without blanks around it */
export function isShownName(name: string): boolean {
  return name !== '' && name.length <= MAX_SHOWN_NAME && !UNSEEN.test(name) && !PILED_UP.test(name);
}
