/** What a command found, for a person at a terminal or for a program: a table or YAML, or else JSON. */
import { stringify } from 'yaml';
import { cut, toOneLine } from '../../errors/texts.ts';
import type { CommandIo, Output } from '../command.ts';
import { writeLines } from '../input.ts';

export type Found = Readonly<Record<string, unknown>>;

/** Characters of a cell. */
const WIDEST = 48;
const GAP = '  ';
/** Rows whose widths decide those of a column: a list may have millions. */
const MEASURED = 100;

/** Whether a program reads it. */
export function wantsJson(json: boolean | undefined, { stdout }: Pick<CommandIo, 'stdout'>): boolean {
  return json === true || stdout.isTTY !== true;
}

function toCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return cut(toOneLine(Array.isArray(value) ? value.map((each) => toCell(each)).join(', ') : text), WIDEST);
}

function valueAt(found: Found, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Found | undefined)?.[key], found);
}

/** One JSON array, item by item, so that a long list needs no memory. @returns how many there were */
export async function writeArray(items: AsyncIterable<unknown>, stdout: Output): Promise<number> {
  let count = 0;
  for await (const item of items) {
    stdout.write(`${count === 0 ? '[\n' : ',\n'}${JSON.stringify(item)}`);
    count += 1;
  }
  stdout.write(count === 0 ? '[]\n' : '\n]\n');
  return count;
}

/** @param columns paths of members @returns how many there were */
export async function writeTable(
  items: AsyncIterable<Found>,
  columns: readonly string[],
  stdout: Output,
): Promise<number> {
  let waiting: string[][] = [];
  let widths: readonly number[] | undefined;
  let count = 0;
  const writeRow = (cells: readonly string[]): void => {
    const padded = cells.map((cell, index) => cell.padEnd(widths?.[index] ?? 0));
    stdout.write(`${padded.join(GAP).trimEnd()}\n`);
  };
  const begin = (): void => {
    const header = columns.map((column) => (column.split('.').at(-1) ?? column).toUpperCase());
    widths = columns.map((_, index) =>
      Math.max(...[header, ...waiting].map((cells) => cells[index]?.length ?? 0)),
    );
    for (const cells of [header, ...waiting]) writeRow(cells);
    waiting = [];
  };
  for await (const item of items) {
    count += 1;
    const cells = columns.map((column) => toCell(valueAt(item, column)));
    if (widths) writeRow(cells);
    else if (waiting.push(cells) === MEASURED) begin();
  }
  if (!widths && count > 0) begin();
  return count;
}

/** One object. */
export function writeObject(found: unknown, json: boolean, stdout: Output): void {
  if (json) stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  // Line by line, because what stands in it comes from others.
  else writeLines(stdout, stringify(found, { lineWidth: 0 }).trimEnd().split('\n').map(toOneLine));
}
