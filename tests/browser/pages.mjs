// The sandbox's pages in a real Chromium without scripts of their own: used by keyboard alone, judged by axe-core, and looked at in three
// widths and both colour schemes. `tools/browser/run` sets what is read from the environment.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const { M365_CHROMIUM, M365_CLI, M365_MODULES, M365_PROVIDER } = process.env;
const modules = createRequire(join(M365_MODULES, "any.js"));
const { chromium } = modules("playwright-core");
const axe = modules.resolve("axe-core");
const GRAPH = "00000003-0000-0000-c000-000000000000";
const USER_READ_ALL = "df021288-bdef-4463-88db-98f22de89214";

let sandbox, connection, browser, vendor, reply, folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "m365-pages-"));
  sandbox = spawn(M365_PROVIDER, ["sandbox", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await new Promise((done) => createInterface(sandbox.stdout).once("line", (...all) => done(all)));
  connection = JSON.parse(line);
  browser = await chromium.launch({ executablePath: M365_CHROMIUM, args: ["--no-sandbox"] });
  vendor = createServer((_, answer) => answer.end("Thank you")).listen(0, "127.0.0.1");
  await new Promise((done) => vendor.once("listening", done));
  reply = `http://localhost:${vendor.address().port}/callback`;
});

after(async () => {
  await browser?.close();
  vendor?.close();
  sandbox?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const site = () => connection.control.replace(/\/control$/, "");

async function directory(method, path, body) {
  const url = `${connection.control}/tenants/${connection.tenant_id}/v1.0${path}`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

function application(displayName, redirectUris = [reply]) {
  const requiredResourceAccess = [{ resourceAppId: GRAPH, resourceAccess: [{ id: USER_READ_ALL, type: "Role" }] }];
  return directory("POST", "/applications", { displayName, web: { redirectUris }, requiredResourceAccess });
}

async function granted(appId) {
  const { value } = await directory("GET", `/servicePrincipals?$filter=appId%20eq%20'${appId}'`);
  if (value.length === 0) return [];
  const all = await directory("GET", `/servicePrincipals/${value[0].id}/appRoleAssignments`);
  return all.value.map((one) => one.appRoleId);
}

async function open(path, options = {}) {
  const context = await browser.newContext({ javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  await page.goto(path.startsWith("http") ? path : `${site()}${path}`);
  return page;
}

// Goes on with the tabulator until the button has the focus, and presses it.
async function press(page, name) {
  const wanted = page.getByRole("button", { name, exact: true });
  assert.equal(await wanted.count(), 1, `one button "${name}" on ${page.url()}`);
  const focused = page.locator(":focus").and(wanted);
  for (let steps = 0; steps < 300; steps += 1) {
    await page.keyboard.press("Tab");
    if ((await focused.count()) === 1) {
      await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
      return;
    }
  }
  assert.fail(`the keyboard does not reach "${name}"`);
}

const consent = (app) => `${connection.login}/${connection.tenant_id}/adminconsent?client_id=${app.appId}&state=5`;

test("a person reads what is asked, and accepts", async () => {
  const app = await application("Contoso SIEM");
  const page = await open(consent(app));
  const text = await page.getByRole("main").innerText();
  for (const part of ["Contoso SIEM", "User.Read.All", "contoso.onmicrosoft.com"]) assert.ok(text.includes(part), text);
  await press(page, "Accept");
  const back = new URL(page.url());
  assert.equal(`${back.origin}${back.pathname}`, reply);
  assert.equal(back.searchParams.get("admin_consent"), "True");
  assert.equal(back.searchParams.get("state"), "5");
  assert.deepEqual(await granted(app.appId), [USER_READ_ALL]);
});

test("a person declines, and nothing is granted", async () => {
  const app = await application("Contoso SOC");
  const page = await open(consent(app));
  await press(page, "Decline");
  assert.equal(new URL(page.url()).searchParams.get("error"), "consent_required");
  assert.deepEqual(await granted(app.appId), []);
});

test("drift by hand shows in the plan, and the next apply mends it", async () => {
  const cli = (...all) => {
    const env = { ...process.env, TF_CLI_CONFIG_FILE: join(folder, "cli.tfrc"), M365_SANDBOX_URL: site(), CHECKPOINT_DISABLE: "1" };
    const done = spawnSync(M365_CLI, [`-chdir=${folder}`, ...all, "-no-color", "-input=false"], { env, encoding: "utf8" });
    return { code: done.status, text: `${done.stdout}${done.stderr}` };
  };
  const override = `"registry.terraform.io/connectors/m365" = "${dirname(M365_PROVIDER)}"
    "registry.opentofu.org/connectors/m365" = "${dirname(M365_PROVIDER)}"`;
  writeFileSync(join(folder, "cli.tfrc"), `provider_installation {\n  dev_overrides {\n    ${override}\n  }\n  direct {}\n}\n`);
  writeFileSync(join(folder, "main.tf"), `
terraform {
  required_providers {
    m365 = { source = "connectors/m365" }
  }
}
provider "m365" {
  environment = "sandbox"
}
resource "m365_connector_app" "siem" {
  display_name = "Drifting SIEM"
  unique_name  = "drifting-siem"
}
resource "m365_connector_permission_set" "siem" {
  application_id = m365_connector_app.siem.id
  apis           = { microsoft_graph = { application = ["User.Read.All", "Group.Read.All"] } }
}
resource "m365_admin_consent" "siem" {
  service_principal_id = m365_connector_app.siem.service_principal_id
  permissions          = m365_connector_permission_set.siem.permissions
}
`);
  const applied = cli("apply", "-auto-approve");
  assert.equal(applied.code, 0, applied.text);
  // What is taken back right after it was granted looks like lag for two minutes, which the provider would wait for.
  const page = await open("/pages/clock");
  await press(page, "One hour on");
  await page.goto(`${site()}/pages/${connection.tenant_id}`);
  await page.getByRole("link", { name: "Drifting SIEM" }).first().click();
  await press(page, "Revoke User.Read.All of Microsoft Graph, application");
  assert.ok((await page.getByRole("main").innerText()).includes("Not granted"));
  const drift = cli("plan", "-detailed-exitcode");
  assert.equal(drift.code, 2, drift.text);
  assert.ok(drift.text.includes("microsoft_graph/application/User.Read.All"), drift.text);
  assert.equal(cli("apply", "-auto-approve").code, 0);
  await page.reload();
  assert.ok(!(await page.getByRole("main").innerText()).includes("Not granted"));
  const empty = cli("plan", "-detailed-exitcode");
  assert.equal(empty.code, 0, empty.text);
});

test("every page is accessible, and fits a phone, in both colour schemes", async () => {
  const app = await application("A connector with quite a long name, as vendors like them");
  await directory("POST", `/applications/${app.id}/addPassword`, { passwordCredential: { displayName: "secret" } });
  const mute = await application("Mute", []);
  const here = `/pages/${connection.tenant_id}`;
  await fetch(`${connection.control}/faults`, { method: "POST", body: JSON.stringify({ path: "/nowhere", action: "conflict" }) });
  const paths = ["/pages", here, `${here}/${app.appId}`, "/pages/requests", "/pages/clock", "/pages/faults", "/pages/none", consent(app), consent(mute)];
  for (const path of paths) {
    for (const width of [360, 768, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        // Scripts are axe-core's alone: the page's own policy lets none run.
        const page = await open(path, { javaScriptEnabled: true, bypassCSP: true, colorScheme, viewport: { width, height: 800 } });
        const where = `${path} ${width} ${colorScheme}`;
        await page.addScriptTag({ path: axe });
        const { violations } = await page.evaluate(() => window.axe.run());
        const said = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`);
        assert.deepEqual(said, [], where);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `${where} is ${wide} pixels too wide`);
        if (process.env.M365_PICTURES) {
          const name = `${paths.indexOf(path)}-${width}-${colorScheme}.png`;
          await page.screenshot({ path: join(process.env.M365_PICTURES, name), fullPage: true });
        }
        await page.context().close();
      }
    }
  }
});
