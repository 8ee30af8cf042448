/** What follows from the options and from the apply file's schema in docs/configuration.md, and docs/apply.schema.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import * as schemas from '../apply/schema.ts';
import { type Option, options } from './options.ts';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly shape?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
}

const allOptions: readonly Option[] = Object.values(options);

/** A cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Cells may hold code, in which nothing is escaped but bars. */
function prose(text: string): string {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 0 ? cell(part) : part.replaceAll('|', '\\|')))
    .join('`');
}

function writeOptions(): string {
  return table(
    ['variable', 'value', 'without it', 'meaning'],
    allOptions.map(({ name, type, default: value, without, meaning }) => [
      `\`${name}\``,
      prose(type),
      value === undefined ? prose(without ?? 'none') : `\`${value}\``,
      prose(meaning),
    ]),
  );
}

function writeRules(kind: 'insecure' | 'refusedInProduction'): string {
  return allOptions
    .flatMap(({ name, [kind]: rule }) => (rule ? [`- \`${name}\`: ${prose(rule.says)}`] : []))
    .join('\n');
}

function typeOf(schema: JsonSchema): string {
  if (schema.shape !== undefined) return schema.shape;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.items)
    return schema.items.properties && !schema.items.shape ? 'list' : `list of: ${typeOf(schema.items)}`;
  if (schema.type === 'boolean') return '`true` or `false`';
  if (schema.type === 'integer') return `whole number from ${schema.minimum} to ${schema.maximum}`;
  if (typeof schema.additionalProperties === 'object') {
    return `{ ${schema.propertyNames?.shape ?? 'text'}: ${typeOf(schema.additionalProperties)} }`;
  }
  return schema.properties ? 'group of keys' : 'text';
}

/** Keys of keys stand as `token.ttl`; nouns of their own have a table of their own. */
function keyRows(schema: JsonSchema, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const name = prefix + key;
    const needed = schema.required?.includes(key) ? ' (needed)' : '';
    const row = [`\`${name}\`${needed}`, prose(typeOf(value)), prose(value.description ?? '')];
    if (value.shape !== undefined || NOUN_KEYS.has(name)) return [row];
    const inside = value.properties ? value : value.items?.properties ? value.items : undefined;
    return [row, ...(inside ? keyRows(inside, `${name}${value.items ? '[]' : ''}.`) : [])];
  });
}

const NOUN_KEYS: ReadonlySet<string> = new Set([
  'organizations',
  'administrators',
  'resources',
  'roles',
  'applications',
  'users',
  'connections',
  'webhooks',
]);

/** Of the page, by their titles. */
const sections: Readonly<Record<string, z.ZodType>> = {
  'The file': schemas.applyFile,
  Organizations: schemas.organization,
  Resources: schemas.resource,
  Roles: schemas.role,
  Applications: schemas.application,
  Users: schemas.user,
  Connections: schemas.connection,
  Datasources: schemas.datasource,
  Administrators: schemas.administrator,
};

function writeSection([title, schema]: [string, z.ZodType]): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const head = json.description === undefined ? '' : `${prose(json.description)}\n\n`;
  return `### ${title}\n\n${head}${table(['key', 'value', 'meaning'], keyRows(json))}`;
}

/** The parts of docs/configuration.md that follow from declarations, by the names in their marks. */
const parts: Readonly<Record<string, () => string>> = {
  options: writeOptions,
  insecure: () => writeRules('insecure'),
  refusedInProduction: () => writeRules('refusedInProduction'),
  sample: () => `\`\`\`yaml\n${readFileSync('docs/apply.sample.yaml', 'utf8').trimEnd()}\n\`\`\``,
  keys: () => Object.entries(sections).map(writeSection).join('\n\n'),
};

const END = '\n<!-- end -->';

/** The page as it is, with these parts written again. @throws Error if it has lost a mark */
function renderConfigurationDocs(): string {
  let page = readFileSync('docs/configuration.md', 'utf8');
  for (const [name, write] of Object.entries(parts)) {
    const begin = `<!-- ${name}: written by \`npm run docs\` -->\n`;
    const from = page.indexOf(begin) + begin.length;
    const to = page.indexOf(END, from);
    if (!page.includes(begin) || to === -1)
      throw new Error(`docs/configuration.md has lost a mark of ${name}`);
    page = `${page.slice(0, from)}\n${write()}\n${page.slice(to)}`;
  }
  return page;
}

/** The whole text of docs/apply.schema.json. */
function renderApplySchema(): string {
  const schema = z.toJSONSchema(schemas.applyFile, {
    io: 'input',
    unrepresentable: 'any',
    // What editors know.
    target: 'draft-7',
    // Our own word, for the tables of the documentation.
    override: ({ jsonSchema }) => void Reflect.deleteProperty(jsonSchema, 'shape'),
  });
  return `${JSON.stringify({ title: 'Apply file of Grantable', ...schema }, null, 2)}\n`;
}

/** By file. */
export const configurationDocs = {
  'docs/configuration.md': renderConfigurationDocs,
  'docs/apply.schema.json': renderApplySchema,
};
