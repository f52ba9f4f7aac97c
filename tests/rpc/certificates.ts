/** Certificates made for one test by openssl. */

import { join } from "@std/path";

/** A certificate and its key, as PEM. */
export interface Certificate {
  cert: Uint8Array<ArrayBuffer>;
  key: Uint8Array<ArrayBuffer>;
}

export interface Certificates {
  /** What the server's and the client's certificates are signed by. */
  ca: Uint8Array<ArrayBuffer>;
  /** For 127.0.0.1 and localhost. */
  server: Certificate;
  /** Another one for the same names. */
  renewed: Certificate;
  client: Certificate;
  /** A client's certificate from an authority that no one trusts. */
  untrusted: Certificate;
  /** For the server's names, and ended yesterday. */
  expired: Certificate;
}

/** Whether there is an openssl to make certificates with. */
export const hasOpenssl = await succeeds("openssl", ["version"]);

/** Whether a command is there and succeeds. */
export async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" })
      .output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Makes all of them in `folder`, where they stay as `<name>.pem` and `<name>.key`.
 * @param here names and addresses that the server's are for
 */
export async function makeCertificates(
  folder: string,
  here = "IP:127.0.0.1,DNS:localhost",
): Promise<Certificates> {
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
    if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = (name: string) => {
    const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
    return openssl("req", "-x509", ...newKey, ...files, "-days", "2", "-subj", `/CN=${name}`);
  };
  const issue = async (
    name: string,
    ca: string,
    names: string,
    days = 2,
  ): Promise<Certificate> => {
    const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
    await openssl("req", ...newKey, ...request);
    await Deno.writeTextFile(join(folder, `${name}.ext`), `subjectAltName=${names}\n`);
    const signer = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial"];
    const files = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
    await openssl("x509", "-req", ...signer, "-days", String(days), ...files);
    return { cert: await read(`${name}.pem`), key: await read(`${name}.key`) };
  };
  const read = (name: string) => Deno.readFile(join(folder, name));
  await authority("ca");
  await authority("other-ca");
  return {
    server: await issue("server", "ca", here),
    renewed: await issue("renewed", "ca", here),
    client: await issue("client", "ca", "DNS:client"),
    untrusted: await issue("untrusted", "other-ca", "DNS:client"),
    expired: await issue("expired", "ca", here, -1),
    ca: await read("ca.pem"),
  };
}
