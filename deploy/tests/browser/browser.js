// Chromium without a window or a network beyond this machine; a fresh profile each time.
const { execFileSync } = require("node:child_process");
const { chromium } = require("playwright-core");

const [http, resp, binary, admin] = process.argv.slice(2);
const base = `http://${http}`;

// Changes a zone, as an operator does.
function zone(...words) {
  const env = { PATH: process.env.PATH, SLUICE_LOG_LEVEL: "error" };
  return JSON.parse(execFileSync(binary, ["zone", "--json", "--resp", resp, ...words], { env, encoding: "utf8" }));
}

// Runs each story with a browser of its own context; a page that complains fails it.
async function tell(stories) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Else the library closes the browser when the script is told to end, and the script goes on.
    handleSIGTERM: false,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      // Names of strangers, some of which lead to this machine.
      "--host-resolver-rules=MAP *.example 127.0.0.1",
      // Not every browser keeps pages away from this machine: what is judged is the server.
      "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  let told;
  process.once("SIGTERM", () => {
    console.error(`${told}: did not end`);
    process.exit(1);
  });
  for (const [name, story] of Object.entries(stories)) {
    told = name;
    const complaints = [];
    const contexts = [];
    const open = async (options) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      const page = await context.newPage();
      page.setDefaultTimeout(30000);
      page.on("pageerror", (error) => complaints.push(error.message));
      // A load that a story forbids or a server refuses is no fault of the page's.
      page.on("console", (message) => {
        const isForbidden = /^Failed to load resource|blocked by CORS policy/.test(message.text());
        if (message.type() === "error" && !isForbidden) {
          complaints.push(message.text());
        }
      });
      return page;
    };
    try {
      await story(open);
      if (complaints.length) throw new Error(complaints.join("; "));
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
      process.exit(1);
    }
    for (const context of contexts) await context.close();
  }
  await browser.close();
  console.log("checked");
}

module.exports = { base, resp, admin, tell, zone };
