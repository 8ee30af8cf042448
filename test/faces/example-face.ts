/**
 * A face for an API that does not exist: what it takes to add one. People enter at `POST /turnstile/enter` with
 * `{"who": "ann", "word": "..."}` and get a ticket; `GET /turnstile/ticket` tells what a ticket is good for.
 */
import { type Face, type FaceFailure, Reply } from '../../src/faces/face.ts';

/** Seconds. */
const TICKET_TTL = 600;

interface Entry {
  readonly who: string;
  readonly word: string;
}

/** How this API reports failures, from the refusals of the token service too. */
function fail({ status, description }: Pick<FaceFailure, 'status' | 'description'>): Reply {
  return new Reply(status, {
    turned: 'away',
    because: status === 401 ? 'the guard does not know you' : description,
  });
}

function findEntry(body: unknown): Entry | undefined {
  const { who, word } = (body ?? {}) as Partial<Record<keyof Entry, unknown>>;
  return typeof who === 'string' && typeof word === 'string' ? { who, word } : undefined;
}

export const exampleFace: Face = {
  name: 'turnstile',
  bodyLimit: 4_096,
  // Of the grants that the application has, those that this API has a request for.
  grants: (own) => own.filter((grant) => grant === 'password'),
  fail,
  routes: {
    async 'POST /turnstile/enter'({ body, settings }, ask) {
      const entry = findEntry(body);
      if (!entry) return fail({ status: 400, description: 'say who and word, as text' });
      const { answer, row } = await ask.token({
        grantType: 'password',
        parameters: { username: entry.who, password: entry.word },
        token: { ttl: settings.ttl ?? TICKET_TTL },
      });
      return new Reply(201, {
        ticket: answer.access_token,
        goodFor: `${answer.expires_in} s`,
        holder: row.username,
      });
    },

    async 'GET /turnstile/ticket'({ bearer, findToken }) {
      const row = bearer === undefined ? undefined : await findToken(bearer);
      if (!row) return fail({ status: 401, description: '' });
      return { holder: row.username, of: row.resource, until: new Date(row.expiresAt).toISOString() };
    },
  },
};
