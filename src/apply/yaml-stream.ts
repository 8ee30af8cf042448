/**
 * Reads a large YAML text without holding its tree: that takes 60 times as much memory as the text. An entry of one of
 * the outer lists (an organization, an application) becomes a value as soon as the parser goes on to the next one, and
 * the parser keeps a short stand-in for it.
 *
 * It reads what is right and simple only. `yaml-document.ts` reads everything else, and says what is wrong with it.
 */
import {
  Composer,
  type CST,
  type Document,
  type DocumentOptions,
  Lexer,
  type ParseOptions,
  Parser,
} from 'yaml';

/** Lists in lists in lists: their entries are small. */
const OUTER_DEPTH = 5;
/** Of a range for private use. */
const MARK = '\uE000';
/** Of text that stands in for an entry. Plain text has no escapes, so without `MARK` in the file nothing else is read as it. */
const STAND_IN = `${MARK}entry `;

/** What may stand around a document. */
const BETWEEN: ReadonlySet<string> = new Set(['comment', 'newline', 'space']);

/** Reads a document of which some scalars stand for values that were read before. */
export type ReadDocument = (document: Document.Parsed, depth: number, findEntry: FindEntry) => unknown;
/** @param scalar that stands without quotes @returns undefined if it does not stand for an entry */
export type FindEntry = (scalar: unknown) => unknown;

type Item = CST.BlockSequence['items'][number] | CST.CollectionItem;

/**
 * @param read gives undefined when anything is wrong
 * @returns undefined if the text has to be read as a whole
 */
export function streamYaml(
  text: string,
  options: ParseOptions & DocumentOptions,
  read: ReadDocument,
): unknown {
  if (text.includes(MARK)) return undefined;
  const entries: unknown[] = [];
  const findEntry: FindEntry = (scalar) => {
    if (typeof scalar !== 'string' || !scalar.startsWith(STAND_IN)) return undefined;
    return entries[Number(scalar.slice(STAND_IN.length))];
  };

  function readToken(token: CST.Token, depth: number): unknown {
    const [document] = new Composer(options).compose([token]);
    return document && read(document as Document.Parsed, depth, findEntry);
  }

  /** @returns whether nothing is wrong with the entry */
  function takeEntry(item: Item, member: 'key' | 'value', depth: number): boolean {
    // Only before a collection they are wrong, so this would not be seen before the stand-in.
    if (item.start.some(({ source }) => source.includes('\t'))) return false;
    const token = item[member] as CST.BlockMap;
    // Nor that it stands in brackets.
    const isBlock = (token.type as string) !== 'flow-collection';
    if (isBlock && parser.stack.at(-1)?.type === 'flow-collection') return false;
    const { offset, indent } = token;
    const value = readToken({ type: 'document', offset, start: [], value: token }, depth);
    const source = `${STAND_IN}${entries.push(value) - 1}`;
    item[member] = { type: 'scalar', offset, indent, source } as CST.FlowScalar & null;
    return value !== undefined;
  }

  const parser = new Parser();
  const whole: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    // An alias may stand for something in another entry.
    if (lexeme[0] === '&' || lexeme[0] === '*') return undefined;
    whole.push(...parser.next(lexeme));
    const { stack } = parser;
    const item = stack.length <= OUTER_DEPTH && findComplete(stack.at(-1));
    const member = item && findCollection(item);
    if (member && !takeEntry(item, member, stack.length - 1)) return undefined;
  }
  whole.push(...parser.end());
  const [document, another] = whole.filter(({ type }) => !BETWEEN.has(type));
  return document?.type === 'document' && !another ? readToken(document, 0) : undefined;
}

/** The last entry of a list to which nothing is added any more. */
function findComplete(top: CST.Token | undefined): Item | undefined {
  const isList =
    top?.type === 'block-seq' || (top?.type === 'flow-collection' && top.start.type === 'flow-seq-start');
  return isList ? top.items.at(-2) : undefined;
}

/** Where the entry has a collection. In brackets, values stand in the place of keys until the bracket closes. */
function findCollection({ key, sep, value }: Item): 'key' | 'value' | undefined {
  if (isCollection(value)) return key ? undefined : 'value';
  const isValue = isCollection(key) && !value && sep?.every(({ type }) => type !== 'map-value-ind');
  return isValue ? 'key' : undefined;
}

function isCollection(token: CST.Token | null | undefined): boolean {
  return token?.type === 'block-map' || token?.type === 'block-seq' || token?.type === 'flow-collection';
}
