"""Countries for generated worlds: names that people there have, and numbers of the right shape."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Country:
    """What is needed to make up somebody from there."""

    weight: int
    """How many of a hundred people are from there."""
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    number: Callable[[Random], str]
    """Digits in international form, as the server has them registered."""


def _digits(random: Random, count: int) -> str:
    return str(random.randrange(10**count)).zfill(count)


def _north_american(random: Random) -> str:
    area = random.choice(("201", "212", "305", "312", "404", "415", "512", "604", "617", "702", "818", "917"))
    return f"1{area}{random.randrange(200, 1000)}{_digits(random, 4)}"


def _british(random: Random) -> str:
    return f"447{random.choice('345789')}{_digits(random, 8)}"


def _brazilian(random: Random) -> str:
    """Registered before 2012 and outside the south-east: without the ninth digit, whatever everybody dials today."""
    area = random.choice(("11", "11", "19", "21", "27", "31", "31", "41", "48", "51", "61", "71", "81", "85"))
    ninth = "" if int(area) >= 31 and random.random() < 0.5 else "9"
    return f"55{area}{ninth}{random.choice('6789')}{_digits(random, 7)}"


def _mexican(random: Random) -> str:
    area = random.choice(("55", "33", "81", "222", "442", "664", "998"))
    return f"52{'1' if random.random() < 0.7 else ''}{area}{_digits(random, 10 - len(area))}"


def _argentinian(random: Random) -> str:
    area = random.choice(("11", "341", "351", "261", "381"))
    return f"549{area}{_digits(random, 10 - len(area))}"


def _german(random: Random) -> str:
    return f"49{random.choice(('151', '160', '170', '171', '175', '176'))}{random.randrange(1, 10)}{_digits(random, 7)}"


def _indian(random: Random) -> str:
    return f"91{random.choice('6789')}{_digits(random, 9)}"


def _spanish(random: Random) -> str:
    return f"346{_digits(random, 8)}"


def _nigerian(random: Random) -> str:
    return f"234{random.choice(('703', '802', '803', '806', '810', '901', '903'))}{_digits(random, 7)}"


def _indonesian(random: Random) -> str:
    return f"628{random.choice(('12', '13', '21', '52', '57', '77'))}{_digits(random, random.choice((7, 8)))}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COUNTRIES: Final = (
    Country(
        20,
        _names(
            """Ana Beatriz Bruno Caio Camila Carlos Clara Daniela Diego Eduarda Felipe Fernanda Gabriel Heitor
            Isabela João Júlia Larissa Letícia Lucas Luiza Marcos Mariana Matheus Natália Pedro Rafael Renata
            Thiago Vitória"""
        ),
        _names(
            """Almeida Alves Araújo Barbosa Carvalho Costa Dias Ferreira Gomes Lima Lopes Martins Melo Monteiro
            Moreira Nascimento Nunes Oliveira Pereira Ribeiro Rocha Santos Silva Souza Teixeira Vieira"""
        ),
        _brazilian,
    ),
    Country(
        14,
        _names(
            """Aditya Amit Anjali Arjun Deepa Divya Gaurav Isha Kavya Kiran Lakshmi Manish Meera Neha Nikhil Pooja
            Priya Rahul Raj Ravi Rohan Sanjay Shreya Sunita Tara Varun Vikram"""
        ),
        _names(
            """Agarwal Bhat Chatterjee Desai Gupta Iyer Jain Joshi Kapoor Khan Kulkarni Kumar Malhotra Mehta Menon
            Mishra Nair Patel Pillai Rao Reddy Sharma Singh Verma"""
        ),
        _indian,
    ),
    Country(
        12,
        _names(
            """Alejandro Andrea Carmen Daniel Diana Emilio Fernando Gabriela Guadalupe Héctor Jorge José Juan Karla
            Leticia Luis María Miguel Mónica Óscar Patricia Raúl Ricardo Rosa Sofía Ximena"""
        ),
        _names(
            """Aguilar Castillo Chávez Cruz Flores García González Gutiérrez Hernández Jiménez López Martínez
            Mendoza Morales Ortiz Pérez Ramírez Reyes Rivera Rodríguez Ruiz Sánchez Torres Vargas"""
        ),
        _mexican,
    ),
    Country(
        10,
        _names(
            """Agustina Benjamín Bautista Catalina Delfina Facundo Florencia Franco Ignacio Joaquín Julieta Lautaro
            Lucía Malena Martina Mateo Micaela Nahuel Paula Santino Sol Tomás Valentina"""
        ),
        _names(
            """Acosta Álvarez Benítez Cabrera Castro Díaz Domínguez Fernández Giménez Herrera Ledesma Medina Molina
            Peralta Quiroga Ríos Romero Sosa Suárez Vera"""
        ),
        _argentinian,
    ),
    Country(
        12,
        _names(
            """Aaron Abigail Amy Brian Caroline Charles Chloe David Emily Ethan Grace Hannah James Jennifer Jessica
            John Kevin Laura Linda Mark Mary Michael Nancy Olivia Robert Sarah Steven Thomas William Zoe"""
        ),
        _names(
            """Adams Allen Baker Brown Campbell Carter Clark Cooper Davis Evans Green Hall Harris Hill Jackson
            Johnson Jones King Lewis Miller Mitchell Moore Nelson Parker Roberts Scott Smith Taylor Turner
            Walker White Young"""
        ),
        _north_american,
    ),
    Country(
        8,
        _names(
            """Alfie Amelia Archie Callum Charlotte Daisy Eleanor Finlay Freya George Harriet Imogen Isla Jack Liam
            Lily Maisie Niamh Oliver Poppy Rhys Rory Rupert Tilly"""
        ),
        _names(
            """Ashworth Bennett Byrne Doyle Fletcher Graham Hughes Kelly MacDonald Marsh Morgan Murphy Owen Palmer
            Pritchard Reid Shaw Stewart Sutton Thompson Webb Wright"""
        ),
        _british,
    ),
    Country(
        8,
        _names(
            """Anja Annika Bernd Birgit Christian Dirk Elke Felix Florian Hanna Heike Jan Jens Jonas Jürgen Katrin
            Lena Lukas Maximilian Moritz Nele Ralf Sabine Stefan Sven Ute Uwe"""
        ),
        _names(
            """Becker Braun Fischer Fuchs Hoffmann Huber Kaiser Keller Klein Koch König Krause Krüger Lang Lehmann
            Maier Müller Neumann Richter Schäfer Schmidt Schneider Schröder Schulz Schwarz Vogel Wagner Weber
            Wolf Zimmermann"""
        ),
        _german,
    ),
    Country(
        6,
        _names(
            """Aitor Álvaro Begoña Blanca Cristina Elena Gonzalo Inés Iker Irene Javier Lorena Marta Nerea Nuria
            Pablo Pilar Rocío Sergio Silvia Unai Yolanda"""
        ),
        _names(
            """Alonso Blanco Calvo Delgado Garrido Gil Iglesias Lozano Marín Molina Moreno Navarro Ortega Prieto
            Ramos Rubio Santana Serrano Vidal"""
        ),
        _spanish,
    ),
    Country(
        5,
        _names(
            """Adaeze Amara Ayodele Babatunde Chiamaka Chidi Chinedu Ebele Emeka Femi Folake Ifeoma Kelechi Ngozi
            Obinna Olumide Segun Temitope Tunde Uche Yetunde Zainab"""
        ),
        _names(
            """Abubakar Adebayo Adeyemi Afolabi Balogun Bello Chukwu Danjuma Eze Ibrahim Mohammed Nwosu Obi
            Ogunleye Okafor Okeke Okonkwo Olawale Onyekachi Usman"""
        ),
        _nigerian,
    ),
    Country(
        5,
        _names(
            """Adi Agus Ayu Bambang Budi Citra Dewi Dimas Dwi Eka Fajar Fitri Hendra Indah Joko Kartika Lestari
            Made Nur Putri Rina Rizky Sari Siti Teguh Wahyu Yuni"""
        ),
        _names(
            """Gunawan Halim Handoko Hartono Hidayat Kurniawan Kusuma Nugroho Permata Prasetyo Pratama Purnama
            Rahman Saputra Setiawan Siregar Susanto Utami Wibowo Wijaya"""
        ),
        _indonesian,
    ),
)

BUSINESSES: Final = _names(
    "Bakery Pharmacy Clinic Motors Flowers Books Travel Logistics Studio Hotel Café Gym Dental Market Electronics Legal"
)

ABOUTS: Final = (
    "",
    "Hey there! I am using WhatsApp.",
    "Available",
    "Busy",
    "At work",
    "At the gym",
    "Sleeping",
    "Urgent calls only",
    "Battery about to die",
    "Can't talk, WhatsApp only",
    "In a meeting",
    "☕️ first",
    "Family. Football. Coffee.",
    "🌱",
    "Viva la vida ✨",
    "Sempre em frente 🚀",
)

SUBJECTS: Final = _names(
    "Family Football Neighbours Parents Office Book-club Choir Hiking Reunion Wedding Startup Running Recipes Chess"
)
