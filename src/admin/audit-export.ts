/** Entries of the audit log as lines: of JSON for programs, of CSV for spreadsheets. */
import { AUDIT_COLUMNS } from '../nouns/admin-tables.ts';

export const NDJSON = 'application/x-ndjson';
export const CSV = 'text/csv';

type Exported = { readonly [C in (typeof AUDIT_COLUMNS)[number]]?: unknown };

export async function* toNdjsonLines(entries: AsyncIterable<Exported>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${JSON.stringify(entry)}\n`;
}

/** RFC 4180. The first line names the columns. */
export async function* toCsvLines(entries: AsyncIterable<Exported>): AsyncGenerator<string> {
  yield toLine(AUDIT_COLUMNS);
  for await (const entry of entries) yield toLine(AUDIT_COLUMNS.map((column) => toText(entry[column])));
}

const toLine = (cells: readonly string[]): string => `${cells.map(toCell).join(',')}\r\n`;

function toText(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What spreadsheets compute instead of showing it, also after spaces and in full width. */
const FORMULA = /^\s*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;

/**
 * Strangers choose some of the texts, such as a user name that was tried. An apostrophe makes a spreadsheet take the cell
 * as a text (OWASP, CSV injection).
 */
function toCell(text: string): string {
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}
