/** What is wrong with an apply file. By itself, so that who only catches it loads no YAML and no schema. */
import { toOneLine } from '../errors/texts.ts';
import type { Located } from './yaml-document.ts';

const MAX_LINES_SHOWN = 100;

/** Everything that is wrong with an apply file, in the order of its lines. No value is quoted: it may be a secret. */
export class ApplyFileError extends Error {
  override readonly name = 'ApplyFileError';
  readonly fileName: string;
  /** Empty if the file could not even be read. */
  readonly problems: readonly Located[];
  /** `<file>:<line>:<column> <what is wrong>` each. */
  readonly lines: readonly string[];

  constructor(fileName: string, problems: readonly Located[] | string) {
    const lines =
      typeof problems === 'string'
        ? [toOneLine(`${fileName} ${problems}`)]
        : problems.map(({ line, column, message }) => toOneLine(`${fileName}:${line}:${column} ${message}`));
    const more = lines.length > MAX_LINES_SHOWN ? [`and ${lines.length - MAX_LINES_SHOWN} more`] : [];
    super(['The file cannot be applied:', ...lines.slice(0, MAX_LINES_SHOWN), ...more].join('\n  '));
    this.fileName = fileName;
    this.problems = typeof problems === 'string' ? [] : problems;
    this.lines = lines;
  }
}
