/**
 * Looks for expressions that take more than linear time on some text, in all of `src` and `adapters`. Literals are read
 * from the syntax tree; those that are built are caught while their module loads. `npm run test:regex` brings the
 * checker and the parser through npx, so that neither is a dependency.
 */
import { globSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { delimiter, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Diagnostics {
  readonly status: 'safe' | 'vulnerable' | 'unknown';
  readonly complexity?: { readonly summary: string };
  readonly attack?: { readonly pattern: string };
  readonly error?: { readonly kind: string };
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly regex?: { readonly pattern: string; readonly flags: string };
  readonly callee?: { readonly name?: string };
}

interface Expression {
  readonly place: string;
  readonly source: string;
  readonly flags: string;
}

/** The folder of the packages that npx brought: the first one on the path. */
const brought = createRequire(
  pathToFileURL(resolve(process.env.PATH?.split(delimiter)[0] ?? '', '..', 'x.js')),
);
const { check } = brought('recheck') as {
  check(source: string, flags: string, parameters: { timeout: number }): Promise<Diagnostics>;
};
const { parse } = brought('acorn') as {
  parse(code: string, options: { ecmaVersion: 'latest'; sourceType: 'module' }): unknown;
};

/** Milliseconds for one expression. */
const TIMEOUT_MS = 60_000;
/** What starts to work when it is loaded: processes and threads. */
const PROGRAMS = new Set([
  'src/main.js',
  'src/write-docs.ts',
  'adapters/storage/sqlite/checkpoint-worker.js',
]);
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

function* nodesOf(
  value: unknown,
  insideFunction = false,
): Generator<{ node: SyntaxNode; insideFunction: boolean }> {
  if (typeof value !== 'object' || value === null) return;
  const node = value as SyntaxNode;
  if (typeof node.type === 'string') yield { node, insideFunction };
  const inside = insideFunction || FUNCTIONS.has(node.type);
  for (const member of Object.values(value)) yield* nodesOf(member, inside);
}

const problems: string[] = [];
const expressions: Expression[] = [];
/** Where the sources build one: each must be met while they load. */
const built = new Map<string, boolean>();

const files = globSync('{src,adapters}/**/*.{ts,js}');
for (const file of files) {
  const code = stripTypeScriptTypes(readFileSync(file, 'utf8'));
  for (const { node, insideFunction } of nodesOf(
    parse(code, { ecmaVersion: 'latest', sourceType: 'module' }),
  )) {
    const place = `${file}:${code.slice(0, node.start).split('\n').length}`;
    if (node.regex) expressions.push({ place, source: node.regex.pattern, flags: node.regex.flags });
    if (node.callee?.name !== 'RegExp') continue;
    if (insideFunction)
      problems.push(`${place} builds an expression when it is called: build it when the module loads`);
    else built.set(place, false);
  }
}

const Original = RegExp;
globalThis.RegExp = new Proxy(Original, {
  construct(target, [source, flags]: [string | RegExp, string | undefined]) {
    const expression = new target(source, flags);
    const place = [...built.keys()].find((known) => new Error().stack?.includes(`/${known}:`));
    if (place !== undefined) {
      built.set(place, true);
      expressions.push({ place, source: expression.source, flags: expression.flags });
    }
    return expression;
  },
});
for (const file of files) {
  if (!PROGRAMS.has(file)) await import(pathToFileURL(resolve(file)).href);
}
globalThis.RegExp = Original;
for (const [place, wasMet] of built)
  if (!wasMet) problems.push(`${place} was not built while its module loaded`);

/** The checker does not know `v`. A class matches one character, whatever sets it is made of. */
function withoutSets({ source, flags }: Expression): [string, string] {
  return flags.includes('v')
    ? [source.replaceAll(/\[\[[^\]]*\]--\[[^\]]*\]\]/g, '[a]'), flags.replace('v', 'u')]
    : [source, flags];
}

for (const expression of expressions) {
  const { place, source, flags } = expression;
  const [plain, plainFlags] = withoutSets(expression);
  const { status, complexity, attack, error } = await check(plain, plainFlags, { timeout: TIMEOUT_MS });
  if (status === 'safe') continue;
  const why = status === 'unknown' ? error?.kind : `${complexity?.summary}, with ${attack?.pattern}`;
  problems.push(`${place} /${source}/${flags} is ${status}: ${why}`);
}

for (const problem of problems) console.error(problem);
console.log(`${expressions.length} expressions in ${files.length} files, ${problems.length} problems`);
process.exit(problems.length === 0 && expressions.length > 0 ? 0 : 1);
