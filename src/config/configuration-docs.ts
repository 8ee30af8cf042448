/** The texts of docs/configuration.md, from the options and from the apply file's schema, and of docs/apply.schema.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import {
  administrator,
  application,
  applyFile,
  connection,
  datasource,
  organization,
  resource,
  role,
  user,
} from '../apply/schema.ts';
import { ignoredPrefixes, type Option, options } from './options.ts';

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

function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

function writeNoun(title: string, schema: z.ZodType): string {
  const json = toJsonSchema(schema);
  const head = json.description === undefined ? '' : `${prose(json.description)}\n\n`;
  return `### ${title}\n\n${head}${table(['key', 'value', 'meaning'], keyRows(json))}`;
}

/** The whole text of docs/configuration.md. */
function renderConfigurationDocs(): string {
  return `<!-- Written by \`npm run docs\` from src/config; changes made here are lost. -->

# Configuration

After this page you can configure the server with environment variables, and organizations, applications and users with an
apply file. Grantable checks everything before it starts, reports all problems together and exits with 2:

\`\`\`sh
GRANTABLE_PORT=80a GRANTABLE_DEMO=2 npm start
The configuration has 2 problems:
  GRANTABLE_PORT: "80a" is not a whole number. Right would be: a whole number from 0 to 65535.
  GRANTABLE_DEMO: "2" is neither 0 nor 1. Right would be: 0 or 1.
\`\`\`

## Environment

${writeOptions()}

A variable that starts with \`GRANTABLE_\` and is not listed here is an error, so that a mistyped name is noticed. Names
that start with ${ignoredPrefixes.map((prefix) => `\`${prefix}\``).join(' or ')} belong to the test suite.
Variables that Kubernetes sets for a service named \`grantable\` (\`GRANTABLE_SERVICE_HOST\` and so on) are ignored. A variable
that is set but empty is an error too.

### Insecure choices

Grantable allows these and warns about them at each start:

${writeRules('insecure')}

### Production

With \`NODE_ENV=production\` Grantable refuses to start with:

${writeRules('refusedInProduction')}

### The master key

Private keys and credentials in the store are encrypted under data keys, and the master key encrypts (wraps) the data keys.
If the environment has no master key and the store is empty, Grantable makes one and keeps it in \`master.key\` in the data
folder. To move it elsewhere, put the content of that file into \`GRANTABLE_MASTER_KEY\`, or move the file and name it in
\`GRANTABLE_MASTER_KEY_FILE\`. A store opens only with the master key that it was made with.

## The apply file

\`GRANTABLE_APPLY\` names a YAML or JSON file of at most 5 MB; \`npm run -s grantable -- apply FILE\` applies one while the
server runs. Grantable creates or changes what the file lists, and leaves everything else as it is. Applying the same file again
changes nothing. Unknown keys, wrong types and contradictions are reported together, each with line and column.

\`\`\`yaml
${readFileSync('docs/apply.sample.yaml', 'utf8').trimEnd()}
\`\`\`

Grantable reads the file more strictly than YAML requires: a key occurs once and has a value, a value has no tag and is on one
line or in quotes, merge keys are not allowed, and the file ends with a line break, so that a file that was cut off is noticed.
Anchors and aliases work.

\`npm run -s grantable -- export --apply ORGANIZATION --out FILE\` writes an organization back as an apply file, without secrets and
without what is as in a new noun. Applying it to the same server changes nothing. Its first lines count what a file cannot say,
such as applications that people registered. \`export --apply management\` writes \`management\` and \`administrators\`.

\`docs/apply.schema.json\` is the JSON Schema of the file, with which editors complete keys and explain them. The YAML language
server reads where it is from a first line such as:

\`\`\`yaml
# yaml-language-server: $schema=node_modules/grantable/docs/apply.schema.json
\`\`\`

### Permissions

Permissions are \`{ isAdmin: true }\`, or a list of tables with the allowed actions, such as
\`{ tables: { orders: { create: true, read: true, update: true, delete: true } } }\`. An action that is not listed is not allowed.
Beside tables, permissions name \`"*"\` (every table, future ones too) and groups of the resource (\`"@sales"\`). A table that joins
a group does not widen existing tokens, logins and consents. A table that leaves it narrows them at once.

Instead of \`true\`, an action has a **limit**: the \`columns\` that it allows, and the \`rows\`, of which each named column must equal one
of its values. A list of limits allows what one of them allows. The columns must be declared at the table of the resource:

\`\`\`yaml
roles:
  - name: customer
    permissions:
      tables:
        orders:
          read:
            columns: [id, status, total]
            rows: { customer_id: [{ $user: attributes.customer }], region: [eu, us] }
          create: { rows: { customer_id: [{ $user: attributes.customer }] } }
        "@catalogue": { read: true }
\`\`\`

[guides/own-rows.md](guides/own-rows.md) tries this out, from the file to the API.

- A value is text, a whole number, \`true\` or \`false\`, or a **variable**: \`{ $user: id }\`, \`{ $user: email }\` (while it is verified),
  \`{ $user: attributes.NAME }\`, \`{ $account: COLUMN }\` (of a database account: a column that its user table copies into \`claims\`) or
  \`{ $application: id }\`. A variable without a value gives nothing. Tokens hold the value that it had:
  [revocation.md](revocation.md) says what happens when it changes.
- Values are compared in the type of the column: in a column of integers, 042 and 42 are one value. NULL equals no value.
- Roles and ceilings may have variables, and only ceilings \`$application\`. Connections have none.
- \`false\`, or a limit, beside a wider right on \`"*"\` or a group takes nothing away and is refused. Rights to \`"*"\` cannot be limited,
  and \`delete\` cannot be limited to columns.
- An action on a table has at most 16 limits, each with at most 8 columns in \`rows\` and 100 values for each.

### Claims for neighbours

A neighbour is a program of others that verifies our access tokens and opens a database by what they say: PostgREST, Supabase,
Hasura, Neon. \`token.claimMap\` of a resource adds the claims that it reads, and \`token.preset\` sets what one of the four needs:
[PostgREST](guides/postgrest.md), [Supabase](guides/supabase.md), [Hasura](guides/hasura.md), [Neon](guides/neon.md).

\`\`\`yaml
resources:
  - identifier: https://db.acme.example/
    token:
      preset: postgrest
      claimMap:
        role: { oneOf: [web_admin, web_user], from: { $user: attributes.db_role }, default: web_user }
        user_id: { $user: id }
        teams: { someOf: [sales, support], from: { $user: roles } }
        plan: gold
        https://acme.example/who: { tenant: { $organization: name }, branch: { $account: branch } }
\`\`\`

- A value is text, a number, \`true\` or \`false\`, a **variable**, a **choice**, a list of values, or a group of them by name.
- Variables: \`{ $user: id }\`, \`{ $user: email }\` (while it is verified), \`{ $user: attributes.NAME }\`, \`{ $user: roles }\` (a list: names
  of the roles for this resource, of database accounts too), \`{ $account: COLUMN }\`, \`{ $application: id }\`, \`name\` or \`clientId\`,
  \`{ $organization: id }\` or \`name\`. They speak of the subject and the application of the token; a token that was exchanged has its own.
- A choice takes only values of its list. \`oneOf\` gives the first one that \`from\` has, \`someOf\` a list of all that it has.
  Otherwise \`default\` stands there.
- A variable without a value, or a choice without \`default\`, leaves the claim or the member out. So do empty lists and groups.
- A name that ends with \`role\` or \`roles\` names roles of the neighbour: its value is a constant or a choice.
- Roles that may open a whole database (\`postgres\`, \`service_role\`, \`supabase_admin\`, \`admin\`, \`authenticator\`, \`none\`, and names that
  begin with \`pg_\`) are refused unless \`accept: [service_role]\` beside the list names them.
- Claims that tokens have already cannot be mapped. A name that is mapped is never taken from \`claims\` of a user table.
- At most 20 claims, together at most 4 KB. They count for the sizes at which \`overflow\` decides.
- Access tokens of the resource have them: JWTs, and the introspection of both formats. ID tokens, refresh tokens, userinfo and tokens of
  [faces](faces.md) do not. A JWT keeps what it said; introspection says what holds when it answers.

### Removing what the file leaves out

With \`--prune\`, \`apply\` also removes nouns that an earlier \`apply\` made and that the file leaves out. Their tokens end at once.
Look first at what would go:

\`\`\`sh
npm run -s grantable -- apply acme.yaml --prune --dry-run
\`\`\`

\`\`\`
- user acme/shop/ann
- application acme/shop
0 would be added, 0 would be changed, 2 would be removed, 6 left as they are
\`\`\`

- It looks at the lists \`resources\`, \`roles\`, \`applications\`, \`users\`, \`connections\`, \`datasources\` and \`webhooks\` of the organizations in the
  file, and at \`roles\` and \`applications\` of \`management\`. A list that is not there prunes nothing; an empty one, such as \`users: []\`, prunes everything that \`apply\` made of its kind.
- It never removes what people, faces, agents or other commands made, nor organizations and administrators. A noun of
  which it is not recorded who made it stays until \`apply\` takes it over, which it does with those that the file lists.
- It removes a noun only if nothing that stays needs it. An application with people who registered is needed by them, and the
  default role is needed unless the file names another. Such problems are reported together, and nothing is written.
- Users who are not listed lose a role that is removed, and applications a partner in \`mayExchange\`.
- A start with \`GRANTABLE_APPLY\` never prunes.

${[
  writeNoun('The file', applyFile),
  writeNoun('Organizations', organization),
  writeNoun('Resources', resource),
  writeNoun('Roles', role),
  writeNoun('Applications', application),
  writeNoun('Users', user),
  writeNoun('Connections', connection),
  writeNoun('Datasources', datasource),
  writeNoun('Administrators', administrator),
].join('\n\n')}
`;
}

/** The whole text of docs/apply.schema.json. */
function renderApplySchema(): string {
  const schema = z.toJSONSchema(applyFile, {
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
