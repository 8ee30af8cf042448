/** Every answer that an operation may give, with its headers; the refusals are the same for all operations. */
import type { OperationFacts } from '../operations/operation.ts';
import type { JsonObject } from './schemas.ts';

const text = (description: string, more: JsonObject = {}): JsonObject => ({
  description,
  schema: { type: 'string', ...more },
});

/** By their names; answers refer to them. */
export const headers = {
  ETag: text('The version of the object, for `If-Match` and `If-None-Match`.', { examples: ['"3"'] }),
  Location: text('Where the object is that was made.', { format: 'uri-reference' }),
  'WWW-Authenticate': text(
    'What is wrong with the token, or which right or fresh login is missing (RFC 6750, RFC 9470).',
  ),
  'Retry-After': {
    description: 'Seconds until it makes sense to try again.',
    schema: { type: 'integer', minimum: 1 },
  },
  RateLimit: text('What is left of the limit, and seconds until it is whole again.', {
    examples: ['"default";r=49;t=10'],
  }),
  'RateLimit-Policy': text('How many requests the actor may send, in how many seconds.', {
    examples: ['"default";q=600;w=60'],
  }),
} as const satisfies Record<string, JsonObject>;

type HeaderName = keyof typeof headers;

const LIMITS: readonly HeaderName[] = ['RateLimit', 'RateLimit-Policy'];

function headersOf(names: readonly HeaderName[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** RFC 9457, with our codes. */
export const problem: JsonObject = {
  type: 'object',
  description: 'Why Grantable refused the request (RFC 9457).',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string', format: 'uri', description: '`urn:grantable:problem:` and the code.' },
    title: { type: 'string', description: 'The same for all problems of the type.' },
    status: { type: 'integer', description: 'The status of the answer.' },
    detail: { type: 'string', description: 'What was wrong, and what would be right.' },
    code: { type: 'string', description: 'What programs decide by, such as `not_found`.' },
    errors: {
      type: 'array',
      description: 'Each fault of the body or of the query.',
      items: {
        type: 'object',
        required: ['detail'],
        properties: {
          path: { type: 'string', description: 'A JSON Pointer to the member (RFC 6901).' },
          detail: { type: 'string' },
        },
      },
    },
    request_id: { type: 'string', description: 'Of the line in the log of the server.' },
  },
};

interface Refusal {
  readonly name: string;
  readonly description: string;
  readonly headers?: readonly HeaderName[];
}

/** By their status. */
export const refusals = {
  400: { name: 'BadRequest', description: 'The request is malformed: its query, a header, or its JSON.' },
  401: {
    name: 'Unauthorized',
    description: 'There is no valid access token, or the operation takes a fresh login.',
    headers: ['WWW-Authenticate'],
  },
  403: {
    name: 'Forbidden',
    description: 'The token, or its bearer, has not the right to do this.',
    headers: ['WWW-Authenticate', ...LIMITS],
  },
  404: { name: 'NotFound', description: 'There is nothing with this id or name that the token may see.' },
  406: { name: 'NotAcceptable', description: 'The operation has no media type that `Accept` allows.' },
  409: {
    name: 'Conflict',
    description: 'The change contradicts what is there, such as a name that is taken.',
  },
  412: { name: 'PreconditionFailed', description: 'The object has another version than `If-Match` names.' },
  413: { name: 'ContentTooLarge', description: 'The body is too large.' },
  415: { name: 'UnsupportedMediaType', description: 'The body is not JSON.' },
  422: {
    name: 'UnprocessableContent',
    description:
      'The body says something that is not allowed; or the `Idempotency-Key` was used for another body.',
  },
  428: { name: 'PreconditionRequired', description: '`If-Match` is missing.' },
  429: {
    name: 'TooManyRequests',
    description: 'The actor sent too many requests.',
    headers: ['Retry-After', ...LIMITS],
  },
  503: {
    name: 'ServiceUnavailable',
    description: 'The server cannot answer yet, such as while the store is away.',
    headers: ['Retry-After'],
  },
} as const satisfies Record<number, Refusal>;

type RefusalStatus = keyof typeof refusals;

/** For `components`, by name. */
export function refusalComponents(): Record<string, JsonObject> {
  return Object.fromEntries(
    Object.values<Refusal>(refusals).map(({ name, description, headers: names = LIMITS }) => [
      name,
      {
        description,
        headers: headersOf(names),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

/** Whether one object is read, which has a version. */
export function isOfOneObject({ method, path, media }: OperationFacts): boolean {
  return method === 'GET' && media === undefined && path.endsWith('}');
}

function statusesOf(facts: OperationFacts): RefusalStatus[] {
  const { method, path, body, conditional, creates, result, media } = facts;
  const found: RefusalStatus[] = [400, 401, 403, 429, 503];
  if (path.includes('{')) found.push(404);
  if (result || media) found.push(406);
  if (method !== 'GET') found.push(409, 422);
  if (body) found.push(413, 415, 422);
  if (creates) found.push(409, 422);
  if (conditional) found.push(412, 428);
  return [...new Set(found)].sort((one, other) => one - other);
}

export interface Results {
  /** Of what it answers when it does what it says. */
  readonly result: JsonObject | undefined;
  /** Of what `?dryRun=true` answers. */
  readonly dryRun: JsonObject | undefined;
}

const json = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } });

function successes(facts: OperationFacts, { result, dryRun }: Results): Record<string, JsonObject> {
  const status = facts.status ?? 200;
  const hasVersion = facts.creates || isOfOneObject(facts) || (facts.conditional && facts.method === 'PATCH');
  const names: HeaderName[] = [...(hasVersion ? (['ETag'] as const) : []), ...LIMITS];
  if (status === 201) names.unshift('Location');
  const isBoth = status === 200 && result && dryRun;
  const schema = isBoth ? { oneOf: [result, dryRun] } : result;
  const content = facts.media
    ? Object.fromEntries(facts.media.map((media) => [media, { schema: { type: 'string' } }]))
    : schema && json(schema);
  const found: Record<string, JsonObject> = {
    [status]: {
      description: status === 201 ? 'It was made.' : status === 204 ? 'It was done.' : 'The answer.',
      headers: headersOf(names),
      ...(content && { content }),
    },
  };
  if (dryRun && !isBoth) {
    found[200] = {
      description: 'What it would do, for `?dryRun=true`.',
      headers: headersOf(LIMITS),
      content: json(dryRun),
    };
  }
  if (isOfOneObject(facts)) {
    found[304] = {
      description: 'The object has the version that `If-None-Match` names.',
      headers: headersOf(['ETag', ...LIMITS]),
    };
  }
  return found;
}

/** By status. */
export function answersOf(facts: OperationFacts, results: Results): Record<string, JsonObject> {
  const refused = statusesOf(facts).map((status) => [
    String(status),
    { $ref: `#/components/responses/${refusals[status].name}` },
  ]);
  return { ...successes(facts, results), ...Object.fromEntries(refused) };
}
