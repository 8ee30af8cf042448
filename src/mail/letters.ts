/** What can be sent: one person, one line as subject, any text. */
import { MalformedRequest } from '../errors/domain.ts';
import { findableEmail } from '../nouns/usernames.ts';

export interface Letter {
  /** One address, without a name. */
  readonly to: string;
  readonly subject: string;
  /** With any line ends. */
  readonly text: string;
}

/** Whatever ends a header, or a line of one somewhere, and what no encoding of ours carries. */
const ENDS_A_LINE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
/** UTF-16 units. A longer subject is a mistake. */
const MAX_SUBJECT = 500;

/** @throws MalformedRequest */
export function requireSendable({ to, subject, text }: Letter): void {
  // An address has no blanks, commas or angle brackets, so it cannot be several either.
  if (ENDS_A_LINE.test(to) || findableEmail(to) === undefined) {
    throw new MalformedRequest({ description: 'The recipient of a mail must be exactly one email address.' });
  }
  if (subject.trim() === '' || subject.length > MAX_SUBJECT || ENDS_A_LINE.test(subject)) {
    throw new MalformedRequest({ description: 'The subject of a mail must be one line of text.' });
  }
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new MalformedRequest({ description: 'The text of a mail holds bytes that are not text.' });
  }
}
