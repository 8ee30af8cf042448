/** What a face gets to see of a request: the body as its clients write it, and the credentials of the header. */
import { readBearer } from '../clients/bearer.ts';
import { Refusal } from '../http/refusal.ts';
import { PermissionsError } from '../permissions/errors.ts';
import { parseJsonText } from '../permissions/json.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';
import type { ApplicationSecret, Face, FaceRequest, Incoming, Tenant } from './face.ts';
import type { Params } from './routes.ts';

const BASIC = /^Basic +([A-Za-z0-9+/_-]+={0,2})$/i;
const MAX_FIELDS = 200;

/** The body is not what it says to be. */
export class UnreadableBody extends Refusal {}

function parseJson(text: string): unknown {
  try {
    return parseJsonText(text);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    if (error.code === 'too_large') throw new Refusal(413, 'the body is too large');
    throw new UnreadableBody(400, 'the body is not JSON, or has names that are not allowed');
  }
}

/** A field that is there twice is refused: readers would disagree about its value. */
function parseForm(text: string): Record<string, string> {
  const fields = [...new URLSearchParams(text)];
  if (fields.length > MAX_FIELDS) throw new Refusal(400, 'the form has too many fields');
  const form: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) {
    if (name in form) throw new Refusal(400, 'the form has a field twice');
    form[name] = value;
  }
  return form;
}

/** @throws Refusal 400, 413 */
export function parseBody(sent: string, bodies: Face['bodies'], type: string): unknown {
  // Some clients write a byte order mark, which JSON must not start with (RFC 8259 section 8.1).
  const text = sent.startsWith('\uFEFF') ? sent.slice(1) : sent;
  const start = text.trimStart();
  if (start === '') return undefined;
  const isForm = bodies === 'json or form' && !/^[[{]/.test(start) && !/^application\/json\b/i.test(type);
  return isForm ? parseForm(text) : parseJson(text);
}

/**
 * The password may hold colons, the name none (RFC 7617 section 2). Older clients do not percent-encode, so neither is
 * decoded.
 */
function findBasic(header: string): ApplicationSecret | undefined {
  const encoded = BASIC.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1 || text.includes('\0')) return undefined;
  return { clientId: text.slice(0, colon), clientSecret: text.slice(colon + 1) };
}

/** @throws Refusal 400 for broken encoding */
function decodeParams(params: Params): Record<string, string> {
  try {
    const decoded = Object.entries(params).map(([name, value = '']) => [name, decodeURIComponent(value)]);
    return Object.fromEntries(decoded);
  } catch {
    throw new Refusal(400, 'the path is not encoded properly');
  }
}

/** @throws Refusal 400 for broken encoding in the path */
export function createFaceRequest(
  { method, query, header, isOwn, state }: Incoming,
  {
    face,
    tenant,
    params,
    ...read
  }: Pick<FaceRequest, 'view' | 'body'> & {
    readonly face: Face;
    readonly tenant: Tenant;
    readonly params: Params;
  },
  presentedTokens: PresentedTokens,
): FaceRequest {
  const { organization: _, application: __, ...others } = params;
  const authorization = header('authorization');
  return {
    ...tenant,
    ...read,
    method,
    query,
    header,
    isOwn,
    params: decodeParams(others),
    bearer: readBearer(authorization),
    basic: findBasic(authorization),
    address: state.address,
    requestId: state.requestId,
    async findToken(value) {
      const row = await presentedTokens.findAccessToken(value);
      if (row?.face !== face.name || row.organization !== tenant.organization.id) return undefined;
      // Faces read no proofs of a key (RFC 7800), so a token that is bound to one would be good without it.
      if (row.sender) return undefined;
      state.bearer = row;
      return row;
    },
  };
}
