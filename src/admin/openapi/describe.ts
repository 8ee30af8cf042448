/**
 * The OpenAPI 3.1 description of the administration API, made of the list of its operations. `docs/openapi.json` is
 * written from it, and the server serves that file.
 */
import { z } from 'zod';
import { nouns } from '../../nouns/index.ts';
import { bodyTypesOf } from '../api/body.ts';
import { API } from '../api/paths.ts';
import { dryRunResult, type OperationFacts } from '../operations/operation.ts';
import { answersOf, headers, isOfOneObject, problem, refusalComponents } from './answers.ts';
import { parametersOf, sharedParameters } from './parameters.ts';
import { createSchemas, type JsonObject, pascal, type Schemas, toJsonSchema } from './schemas.ts';

const ABOUT = `Everything that Grantable administers, protected by Grantable's own tokens.

A token for the resource \`<issuer>/admin\` administers the whole server, one for \`<issuer>/admin/<organization>\` that
organization. \`x-needs\` of an operation names the right that it takes: an action on a table of that resource. Rights may be
limited to rows and columns. Operations with \`x-fresh-login\` take a login of a person in the last five minutes, or an
application that an owner marked as \`dangerous\`. Other operations take one too if they change who administers.

Change and remove an object with \`If-Match\` and its \`ETag\`. Send \`Idempotency-Key\` when you make one. Lists have at most
\`limit\` items and give \`next\`, which is \`after\` of the next page. \`?dryRun=true\` says what a change would do.`;

/** What groups of operations are about that are not nouns. */
const OTHER_TAGS: Readonly<Record<string, string>> = {
  agents: 'Applications that registered themselves and ask people for rights.',
  tokens: 'Living access tokens, refresh tokens and what is above them.',
  logins: 'Logins of people, each with its tokens.',
  keys: 'The keys that sign tokens.',
  audit: 'What happened, and who did it.',
  explain: 'Why a token allows what it allows, and what another one would allow.',
  state: 'Counts, and what the server cleans up.',
};

/** @returns a tag for each first word of the ids, in the order of the operations */
function describeTags(operations: readonly OperationFacts[]): JsonObject[] {
  const names = [...new Set(operations.map(({ id }) => id.split('.')[0] ?? id))];
  return names.map((name) => {
    const description = name in nouns ? nouns[name as keyof typeof nouns].describe : OTHER_TAGS[name];
    if (description === undefined)
      throw new Error(`src/admin/openapi/describe.ts does not describe ${name}.`);
    return { name, description };
  });
}

function describeSecurity(operations: readonly OperationFacts[]): JsonObject {
  const needs = operations.map((each) => each.needs);
  const scopes = Object.fromEntries(
    [...new Set(needs.map(({ table, action }) => `${table}:${action}`))].sort().map((scope) => {
      const [table, action] = scope.split(':');
      return [scope, `To ${action} ${table}.`];
    }),
  );
  return {
    oauth2: {
      type: 'oauth2',
      description:
        'A token of this server for `<issuer>/admin` or `<issuer>/admin/<organization>`, in `resource`.',
      flows: {
        authorizationCode: {
          authorizationUrl: '/oauth/authorize',
          tokenUrl: '/oauth/token',
          refreshUrl: '/oauth/token',
          scopes,
        },
        clientCredentials: { tokenUrl: '/oauth/token', scopes },
      },
    },
    bearer: { type: 'http', scheme: 'bearer', description: 'The same token, got in another way.' },
  };
}

/** The names of schemas: `Role`, `NewRole`, `RolePatch`, or what the operation is called. */
function namesFor({ id, creates, conditional }: OperationFacts): {
  readonly body: string;
  readonly result: string;
} {
  const one = pascal(id.slice(0, Math.max(0, id.lastIndexOf('.')))).replace(/s$/, '');
  if (creates) return { body: `New${one}`, result: `Created${one}` };
  if (conditional) return { body: `${one}Patch`, result: one };
  const name = pascal(id);
  return { body: `${name}Body`, result: id.endsWith('.get') ? one : `${name}Answer` };
}

const dryRun = toJsonSchema(dryRunResult, 'output');

/** Whether the answer is the same one and says itself that it was one. */
function tellsDryRun({ result }: OperationFacts): boolean {
  return result instanceof z.ZodObject && 'dryRun' in result.shape;
}

function addResult(facts: OperationFacts, schemas: Schemas): JsonObject | undefined {
  return facts.result && schemas.add(namesFor(facts).result, toJsonSchema(facts.result, 'output'));
}

function describeOperation(facts: OperationFacts, schemas: Schemas): JsonObject {
  const { id, summary, needs, body, dangerous, mayDryRun, method } = facts;
  const names = namesFor(facts);
  const content = body && { schema: schemas.add(names.body, toJsonSchema(body, 'input')) };
  return {
    operationId: id,
    summary,
    tags: [id.split('.')[0] ?? id],
    'x-needs': { ...needs },
    ...(dangerous && { 'x-fresh-login': true }),
    security: [{ oauth2: [`${needs.table}:${needs.action}`] }, { bearer: [] }],
    parameters: parametersOf(facts, isOfOneObject(facts)),
    ...(content && {
      requestBody: {
        // A body that may be left out has a schema that reads nothing, too.
        required: !body?.safeParse(undefined).success,
        content: Object.fromEntries(bodyTypesOf({ method }).map((type) => [type, content])),
      },
    }),
    responses: answersOf(facts, {
      result: addResult(facts, schemas),
      dryRun: mayDryRun && !tellsDryRun(facts) ? schemas.add('DryRun', dryRun) : undefined,
    }),
  };
}

/** @param operations in the order in which they are shown */
export function describeApi(operations: readonly OperationFacts[]): JsonObject {
  const schemas = createSchemas();
  schemas.add('Problem', problem);
  // So that an object has its own name, and not that of what makes or lists it.
  for (const facts of operations) if (facts.id.endsWith('.get')) addResult(facts, schemas);
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const facts of operations) {
    paths[facts.path] ??= {};
    const item = paths[facts.path] as Record<string, JsonObject>;
    item[facts.method.toLowerCase()] = describeOperation(facts, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Grantable administration API',
      version: '1',
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: API }],
    tags: describeTags(operations),
    paths,
    components: {
      securitySchemes: describeSecurity(operations),
      parameters: sharedParameters,
      headers,
      responses: refusalComponents(),
      schemas: schemas.finish(),
    },
  };
}

/** The whole text of docs/openapi.json. */
export function renderDescription(operations: readonly OperationFacts[]): string {
  return `${JSON.stringify(describeApi(operations), null, 2)}\n`;
}
