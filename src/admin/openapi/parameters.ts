/** What a request carries beside its body: names in the path, the query, and the headers of our conventions. */
import type { OperationFacts } from '../operations/operation.ts';
import { isObject, type JsonObject, toJsonSchema } from './schemas.ts';

const ORGANIZATION = 'organization';

/** Shared ones by their names in `components`. */
export const sharedParameters = {
  organization: {
    name: ORGANIZATION,
    in: 'path',
    required: true,
    description: 'The name of the organization; `management` is the one of the server itself.',
    schema: { type: 'string', maxLength: 63 },
    example: 'acme',
  },
  ifMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The `ETag` of the object that is changed or removed.',
    schema: { type: 'string', pattern: '^"[1-9][0-9]{0,14}"$' },
    example: '"3"',
  },
  ifNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The `ETag` of the object that the client has already.',
    schema: { type: 'string' },
  },
  idempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'A retry with the same key and body within 24 hours gets the object of the first attempt instead of another one.',
    schema: { type: 'string', pattern: '^("[ !#-\\[\\]-~]{1,255}"|[!#-+\\--~]{1,255})$' },
  },
  dryRun: {
    name: 'dryRun',
    in: 'query',
    description: '`true`: Grantable says what it would do, and does nothing.',
    schema: { type: 'boolean' },
  },
} as const satisfies Record<string, JsonObject>;

const refer = (name: keyof typeof sharedParameters): JsonObject => ({
  $ref: `#/components/parameters/${name}`,
});

function describePathParameter(name: string, own: RegExp | undefined): JsonObject {
  if (name === ORGANIZATION) return refer('organization');
  return {
    name,
    in: 'path',
    required: true,
    description: `The id of the ${name}.`,
    schema: own ? { type: 'string', pattern: own.source } : { type: 'string', format: 'uuid' },
  };
}

function describeQuery(facts: OperationFacts): JsonObject[] {
  if (!facts.query) return [];
  const { properties, required } = toJsonSchema(facts.query, 'input');
  const needed = Array.isArray(required) ? required : [];
  return Object.entries(isObject(properties) ? properties : {}).map(([name, schema]) => {
    const { description, ...rest } = schema as JsonObject;
    return {
      name,
      in: 'query',
      ...(needed.includes(name) && { required: true }),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

/** The names in braces, in order. */
export function namesInPath(path: string): string[] {
  return [...path.matchAll(/\{([^{}]+)\}/g)].map(([, name = '']) => name);
}

export function parametersOf(facts: OperationFacts, isOfOneObject: boolean): JsonObject[] {
  return [
    ...namesInPath(facts.path).map((name) => describePathParameter(name, facts.parameters?.[name])),
    ...describeQuery(facts),
    ...(facts.mayDryRun ? [refer('dryRun')] : []),
    ...(facts.conditional ? [refer('ifMatch')] : []),
    ...(isOfOneObject ? [refer('ifNoneMatch')] : []),
    ...(facts.creates ? [refer('idempotencyKey')] : []),
  ];
}
