// The main path of the panel in Firefox: a notebook's page, a variable that is dragged to a worker, the line that does the same.
// Playwright drives only a Firefox of its own; Puppeteer drives any, by WebDriver BiDi.
// Usage: node firefox.mjs FIREFOX URL VARIABLE WORKER SCREENSHOT
import puppeteer from 'puppeteer-core';

const [firefox, url, variable, worker, screenshot] = process.argv.slice(2);
const browser = await puppeteer.launch({ browser: 'firefox', executablePath: firefox });
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1400, height: 900 });
  const errors = [];
  page.on('pageerror', error => errors.push(error.stack ?? String(error)));
  await page.goto(url);
  await page.waitForFunction(() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel, {
    timeout: 60_000
  });
  await page.evaluate(() => void window.jupyterapp.commands.execute('moorage:open-panel'));
  const grip = await page.waitForSelector(`[data-moorage-variable="${variable}"] [role=button]`);
  const card = await page.waitForSelector(`[data-moorage-worker="${worker}"]`);
  const middle = async element => {
    const { x, y, width, height } = await element.boundingBox();
    return [x + width / 2, y + height / 2];
  };
  const [x, y] = await middle(grip);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 6, y + 6, { steps: 2 });
  await page.waitForSelector('.jp-mod-carrying');
  for (let tries = 0; tries < 20; tries++) {
    await page.mouse.move(...(await middle(card)), { steps: 4 }); // cards move when targets unfold
    if (await card.evaluate(element => element.classList.contains('jp-mod-over'))) {
      break;
    }
  }
  await page.mouse.up();
  await page.waitForSelector(`[data-moorage-worker="${worker}"] [data-moorage-held="${variable}"]`);
  await page.focus(`[data-moorage-variable="${variable}"] [role=button]`);
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForFunction(
    name => document.querySelectorAll(`[data-moorage-held="${name}"]`).length > 1,
    {},
    variable
  );
  const magic = await page.$eval('[data-moorage-magic] code', code => code.textContent);
  await page.screenshot({ path: screenshot });
  console.log(JSON.stringify({ version: await browser.version(), magic, errors }));
} finally {
  await browser.close();
}
