/** What is wrong with the members of an object, in words for the operator. */
import type { FieldProblem } from '../../errors/domain.ts';

/** @returns lines */
export function describeFields(errors: readonly FieldProblem[]): string {
  const lines = errors.map(({ path, detail }) => {
    // The command line names members by dots.
    const where = path.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
    return where === '' ? `  ${detail}` : `  ${where}: ${detail}`;
  });
  return ['Nothing was written:', ...lines].join('\n');
}
