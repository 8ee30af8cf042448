/** A guide as its reader follows it: saves its files, types its commands in order, and compares what they print. */
import { readFile } from 'node:fs/promises';

export type Step =
  | { readonly kind: 'save'; readonly name: string; readonly text: string }
  | { readonly kind: 'type'; readonly commands: string; readonly output?: string };

const BLOCK = /^```(\w+)\n([\s\S]*?)^```\n/gm;
const FILE_NAME = /^(?:#|\/\/) (\S+\.(?:yaml|mjs))\n/;

/**
 * The steps of a page. A `yaml` or `mjs` block that begins with the name of a file is saved. An `sh` block is typed, and the
 * block that follows it directly is what it prints.
 */
export async function readSteps(page: string): Promise<Step[]> {
  const text = await readFile(page, 'utf8');
  const steps: Step[] = [];
  const blocks = [...text.matchAll(BLOCK)];
  for (const [index, { 0: whole, 1: language, 2: content = '', index: start }] of blocks.entries()) {
    const name = FILE_NAME.exec(content)?.[1];
    if (name?.endsWith(`.${language}`)) steps.push({ kind: 'save', name, text: content });
    if (language !== 'sh') continue;
    const next = blocks[index + 1];
    const between = text.slice(start + whole.length, next?.index);
    const output = next && next[1] !== 'sh' && between.trim() === '' ? next[2] : undefined;
    steps.push({ kind: 'type', commands: content, ...(output !== undefined && { output }) });
  }
  return steps;
}

/** Whether the text is what the page shows: `…` stands for anything, and lines may be broken elsewhere. */
export function isShown(shown: string, text: string): boolean {
  const packed = (value: string): string => value.replaceAll(/\s+/g, '');
  const pattern = packed(shown)
    .replaceAll(/[^\w…]/g, '\\$&')
    .replaceAll('…', '.*');
  return new RegExp(`^${pattern}$`).test(packed(text));
}
