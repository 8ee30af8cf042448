/**
 * Usergrid's way of a browser. Its form took a password and put an access token where a code belongs; here the browser
 * goes to the authorization endpoint, where people log in and a code is a code.
 */
import { type FaceRequest, Reply } from '../face.ts';
import { fieldsOf } from './requests.ts';

const AUTHORIZATION_PATH = '/oauth/authorize';
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

/** Whatever else was sent, such as a password, is left behind. */
export function authorize({ method, query, body }: FaceRequest, issuer: string): Reply {
  const fields = fieldsOf(body);
  const parameters = new URLSearchParams();
  for (const name of PARAMETERS) {
    const value = query.get(name) ?? fields[name];
    if (typeof value === 'string') parameters.set(name, value);
  }
  const status = method === 'POST' ? 303 : 302;
  return new Reply(status, undefined, { Location: `${issuer}${AUTHORIZATION_PATH}?${parameters}` });
}
