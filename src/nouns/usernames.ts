/**
 * The form in which usernames and email addresses are compared; what was typed is kept for display.
 *
 * It is the PRECIS profile UsernameCaseMapped (RFC 8265 section 3.3): width mapping, lower case, NFC, only letters,
 * digits, marks and printable ASCII, and the Bidi Rule. Stricter than it: joiners and the other contextual characters
 * are refused, and so are names that mix alphabets that look alike (`admin` with a Cyrillic а). More forgiving: what
 * is canonically equivalent is one name (KELVIN SIGN is k), letters of one alphabet that look the same are one letter
 * (the dotless and the dotted i, both small sigmas), and a name made only of letters that have a Latin double is the
 * Latin name (Cyrillic `сосо` is `coco`). Such a form is for comparing, never for showing.
 *
 * Every step is linear or bounded by the length limit, which is checked first.
 */
import { domainToASCII } from 'node:url';
import { MalformedRequest } from '../errors/domain.ts';

/** UTF-16 units. */
const MAX_USERNAME = 256;
/** RFC 5321 section 4.5.3.1 and RFC 3696 erratum 1690. */
const MAX_EMAIL = 254;
const MAX_LOCAL_PART = 64;

/**
 * IdentifierClass of RFC 8264 section 4.2, without contextual characters: minus Exceptions (section 9.6),
 * OldHangulJamo (9.9) and PrecisIgnorableProperties (9.13). HasCompat (9.17) is checked by normalising. The last two
 * ranges are phonetic notation: small capitals and the like, which no language writes names with.
 */
const IDENTIFIER =
  /^[[\x21-\x7e\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\u06fd\u06fe\u0f0b\u3007]--[\p{Default_Ignorable_Code_Point}\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\u1d00-\u1dbf\uab30-\uab68]]+$/v;
const WIDTH_VARIANTS = /[\uff01-\uffee]/g;

/** Alphabets whose letters look like each other's. */
const LOOKALIKE_ALPHABETS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u,
  /\p{Script=Georgian}/u,
  /\p{Script=Lisu}/u,
  /\p{Script=Deseret}/u,
];
/** Each with the decimal digits of its own. */
const DIGIT_SYSTEMS = [
  /[0-9]/,
  /[\u0660-\u0669]/,
  /[\u06f0-\u06f9]/,
  /(?![0-9\u0660-\u0669\u06f0-\u06f9])\p{Nd}/u,
];

/** Letters that differ from another of their own alphabet by little or by nothing. */
const SAME_LETTERS = new Map([...'ıiɩiɪiɑaɡgςσ'].flatMap(toPairs));
/** Cyrillic and Greek small letters whose small, or else capital, form is that of a Latin one (after UTS #39). */
const LATIN_DOUBLES = new Map(
  [...'аaвbсcԁdеeнhһhіiјjкkӏlмmоoрpԛqѕsтtԝwхxуyαaβbεeζzηhιiκkμmνvοoρpτtυuχx'].flatMap(toPairs),
);

const RIGHT_TO_LEFT =
  /[\u0660-\u0669\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}]/u;
/** The Bidi Rule (RFC 5893 section 2) for what IDENTIFIER lets through: begins with a letter, ends with one or a digit. */
const RIGHT_TO_LEFT_NAME = /^\p{L}(?:.*[\p{L}\p{Nd}])?\p{Mn}*$/u;

/** In front of the `@`: characters that stand in quotes only, and dots that do not stand between two others. */
const NOT_LOCAL = /["(),:;<>@[\\\]]|^\.|\.\.|\.$/;
const DOMAIN = /^[\p{L}\p{M}\p{Nd}.-]+$/u;
const ASCII_DOMAIN = /^(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)*(?!-|\d+$)[a-z0-9-]{1,63}(?<!-)$/;

function toPairs(letter: string, at: number, letters: readonly string[]): [string, string][] {
  const other = letters[at + 1];
  return at % 2 === 0 && other !== undefined ? [[letter, other]] : [];
}

function refuse(what: string): never {
  throw new MalformedRequest({ description: what });
}

function isMixed(text: string, systems: readonly RegExp[]): boolean {
  return systems.filter((system) => system.test(text)).length > 1;
}

function isLeftToRightLetter(char: string): boolean {
  return /[\p{L}\p{Mc}]/u.test(char) && !RIGHT_TO_LEFT.test(char);
}

function keepsBidiRule(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return true;
  return RIGHT_TO_LEFT_NAME.test(text) && ![...text].some(isLeftToRightLetter);
}

function toLatinDoubles(text: string): string {
  const letters = text.match(/\p{L}/gu) ?? [];
  if (!letters.every((letter) => LATIN_DOUBLES.has(letter))) return text;
  return text.replace(/\p{L}/gu, (letter) => LATIN_DOUBLES.get(letter) ?? letter);
}

/** A dot above a letter that has one already is not seen. */
function withoutSecondDots(text: string): string {
  return text
    .normalize('NFC')
    .replace(/(?<=\p{Soft_Dotted})\u0307+/gu, '')
    .normalize('NFC');
}

/** One name, or what stands on one side of an `@`. */
function mapLetters(part: string): string {
  const lower = withoutSecondDots(
    part.toLowerCase().replace(/\p{L}/gu, (letter) => SAME_LETTERS.get(letter) ?? letter),
  );
  if (isMixed(lower, LOOKALIKE_ALPHABETS)) refuse('mixes alphabets');
  return withoutSecondDots(toLatinDoubles(lower));
}

function requireIdentifier(text: string): void {
  if (!IDENTIFIER.test(text) || text !== text.normalize('NFKC') || /^\p{M}/u.test(text)) {
    refuse('may have letters, digits and ASCII punctuation only, and no blanks');
  }
}

function toCanonical(text: string): string {
  if (text.length === 0 || text.length > MAX_USERNAME || !text.isWellFormed()) {
    refuse(`must have 1 to ${MAX_USERNAME} characters`);
  }
  const mapped = text
    .normalize('NFC')
    .replace(WIDTH_VARIANTS, (char) => char.normalize('NFKC'))
    .normalize('NFC');
  requireIdentifier(mapped);
  if (isMixed(mapped, DIGIT_SYSTEMS)) refuse('mixes digits of several scripts');
  if (!keepsBidiRule(mapped)) refuse('mixes writing directions');
  const canonical = mapped.split('@').map(mapLetters).join('@');
  if (canonical.length > MAX_USERNAME) refuse(`must have 1 to ${MAX_USERNAME} characters`);
  // The small form of a letter may be none that a name can have.
  requireIdentifier(canonical);
  return canonical;
}

function named<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof MalformedRequest) refuse(`The ${what} ${error.description}.`);
    throw error;
  }
}

function found<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof MalformedRequest) return undefined;
    throw error;
  }
}

/**
 * @returns the form under which the name is unique in its realm
 * @throws MalformedRequest when it cannot be a username
 */
export function canonicalUsername(name: string): string {
  return named('username', () => toCanonical(name));
}

/**
 * An address as RFC 5321 has it, without quoted local parts and address literals; international ones too (RFC 6531).
 *
 * @returns the form under which the address is unique in its realm; the domain as A-labels
 * @throws MalformedRequest when it does not look like an address
 */
export function canonicalEmail(email: string): string {
  return named('email address', () => {
    const at = email.lastIndexOf('@');
    const local = email.slice(0, at);
    const domain = email.slice(at + 1);
    const isTooLong = email.length > MAX_EMAIL || local.length > MAX_LOCAL_PART;
    if (at < 1 || isTooLong || NOT_LOCAL.test(local)) refuse('does not look like one');
    const ascii = DOMAIN.test(domain) ? domainToASCII(domain) : '';
    if (!ASCII_DOMAIN.test(ascii)) refuse('has no valid domain');
    return `${toCanonical(local)}@${ascii}`;
  });
}

/** For logins: an impossible name is not found. */
export function findableUsername(name: string): string | undefined {
  return found(() => canonicalUsername(name));
}

/** For logins: an impossible address is not found. */
export function findableEmail(email: string): string | undefined {
  return found(() => canonicalEmail(email));
}
