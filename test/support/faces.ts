/** @param acme the organization `acme` of the fixture: every face is switched on, Sunbreak's for an application `sites` */
export function switchOnFaces(acme: { applications: object[]; faces?: object }): void {
  acme.applications.push({
    name: 'sites',
    clientId: 'sites',
    clientSecret: 'secret-of-sites-'.padEnd(40, 'x'),
    grants: ['password', 'token_exchange'],
    permissions: { isAdmin: true },
  });
  acme.faces = {
    sunbreak: { application: 'sites', registration: true },
    devicehive: { application: 'shop' },
    apiMaker: { application: 'shop' },
    usergrid: {},
    fusio: { application: 'shop' },
  };
}
