/** The client id of a face, which tokens that come through it say. No application may have one. */

export const clientIdOfFace = (organization: string, face: string): string => `${organization}.${face}`;

/** @returns the name of the face whose client id this may be, in an organization that is there or not */
export function faceNamedBy(clientId: string): string | undefined {
  return /^[a-z0-9-]+\.([^.]+)$/.exec(clientId)?.[1];
}
