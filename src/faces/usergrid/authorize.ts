/**
 * Usergrid's way of a browser. Its form took a password and put an access token where a code belongs; here the browser
 * goes to the authorization endpoint, where people log in and a code is a code.
 */
import { PATHS } from '../../provider/paths.ts';
import { type FaceRequest, Reply } from '../face.ts';
import { UsergridRefusal } from './errors.ts';
import { fieldsOf } from './requests.ts';

/** Of the request of the original, and of RFC 7636. */
const PARAMETERS = [
  'response_type',
  'client_id',
  'redirect_uri',
  'scope',
  'state',
  'code_challenge',
  'code_challenge_method',
];

/** Characters of one of them: all come back in a header. */
const LONGEST = 2048;

/** Whatever else was sent, such as a password, is left behind. @throws UsergridRefusal */
export function authorize({ method, query, body }: FaceRequest, issuer: string): Reply {
  const fields = fieldsOf(body);
  const parameters = new URLSearchParams();
  for (const name of PARAMETERS) {
    const value = query.get(name) ?? fields[name];
    if (typeof value !== 'string') continue;
    if (value.length > LONGEST) throw new UsergridRefusal('illegal_argument', `${name} is too long`);
    parameters.set(name, value);
  }
  const status = method === 'POST' ? 303 : 302;
  return new Reply(status, undefined, { Location: `${issuer}${PATHS.authorization}?${parameters}` });
}
